/** Bundles for `rkt oci`, with busybox in their root, and a runtime's root of their own. */
import assert from "node:assert/strict";
import { type Outcome, RKT, rkt } from "./rkt.ts";
import { until } from "./until.ts";

/** Changes to a configuration: each field of the top, `process` and `linux` by its new value. */
export interface Changes {
  readonly process?: Readonly<Record<string, unknown>>;
  readonly linux?: Readonly<Record<string, unknown>>;
  readonly namespaces?: readonly Readonly<Record<string, unknown>>[];
  /** Behind those of every configuration. */
  readonly mounts?: readonly Readonly<Record<string, unknown>>[];
  readonly [field: string]: unknown;
}

/** What a container's program says: by default the words of a shell. */
export const shell = (script: string): Changes => ({ process: { args: ["sh", "-c", script] } });

/** The applets of busybox that tests use. */
const APPLETS =
  "sh cat echo ls id grep sleep touch mount mkdir true false env head wc hostname ip stat mknod pwd ln rm ps chmod"
    .split(" ");

/** A world with a root file system and a directory for the states of containers. */
export class RuntimeWorld implements AsyncDisposable {
  readonly root: string;
  readonly bundle: string;
  readonly #word = crypto.randomUUID().slice(0, 8);
  #next = 1;

  private constructor(readonly dir: string) {
    this.root = `${dir}/state`;
    this.bundle = `${dir}/bundle`;
  }

  static async make(): Promise<RuntimeWorld> {
    const world = new RuntimeWorld(await Deno.makeTempDir({ prefix: "rkt-runtime-" }));
    // The runtime's files are root's; what is below has to be passed by users of containers.
    await Deno.chmod(world.dir, 0o755);
    world.fill(`${world.bundle}/rootfs`);
    return world;
  }

  /** Makes a root file system. */
  fill(rootfs: string): void {
    for (const name of ["bin", "etc", "tmp", "data"]) {
      Deno.mkdirSync(`${rootfs}/${name}`, { recursive: true });
    }
    Deno.chmodSync(`${rootfs}/tmp`, 0o1777);
    const busybox = new Deno.Command("sh", { args: ["-c", "command -v busybox"] }).outputSync();
    Deno.copyFileSync(new TextDecoder().decode(busybox.stdout).trim(), `${rootfs}/bin/busybox`);
    for (const name of APPLETS) Deno.symlinkSync("busybox", `${rootfs}/bin/${name}`);
    Deno.writeTextFileSync(
      `${rootfs}/etc/passwd`,
      "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n",
    );
  }

  /** Another name of a container. Cgroups are the host's, whatever namespaces a test file has of its own. */
  id(): string {
    return `test-${this.#word}-${this.#next++}`;
  }

  /** Writes the configuration of the bundle. */
  async configure(changes: Changes): Promise<void> {
    const path = `${this.bundle}/config.json`;
    await Deno.remove(path).catch(() => {});
    const made = await rkt("oci", "spec", "--bundle", this.bundle);
    assert.equal(made.code, 0, made.stderr);
    const spec = JSON.parse(await Deno.readTextFile(path));
    const { process, linux, namespaces, mounts, ...rest } = changes;
    const changed = {
      ...spec,
      ...rest,
      mounts: [...spec.mounts, ...mounts ?? []],
      process: { ...spec.process, ...process },
      linux: {
        ...spec.linux,
        ...linux,
        ...namespaces && {
          namespaces: [
            ...spec.linux.namespaces.filter(({ type }: { type: string }) =>
              !namespaces.some((other) => other.type === type)
            ),
            ...namespaces.filter(({ none }) => none !== true),
          ],
        },
      },
    };
    await Deno.writeTextFile(path, JSON.stringify(changed));
  }

  /** Runs `rkt oci`. */
  oci(...words: string[]): Promise<Outcome> {
    return rkt("oci", "--root", this.root, ...words);
  }

  /** Runs a container to its end. */
  async run(changes: Changes): Promise<Outcome> {
    await this.configure(changes);
    return await this.oci("run", "--bundle", this.bundle, this.id());
  }

  /** What a container prints that ends well. */
  async output(changes: Changes): Promise<string> {
    const { code, stdout, stderr } = await this.run(changes);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /**
   * Makes a container; its output goes to a file, because it outlives the command.
   *
   * @returns its name
   */
  async create(changes: Changes, ...flags: string[]): Promise<string> {
    await this.configure(changes);
    const id = this.id();
    const words = ["oci", "--root", this.root, "create", "--bundle", this.bundle, ...flags, id];
    // Its error output too: whoever waits for the end of a pipe would wait for the container's.
    const { code } = await new Deno.Command("sh", {
      args: [
        "-c",
        `exec "$0" "$@" >${this.dir}/${id}.out 2>${this.dir}/${id}.err </dev/null`,
        RKT,
        ...words,
      ],
      stderr: "null",
    }).output();
    assert.equal(code, 0, Deno.readTextFileSync(`${this.dir}/${id}.err`));
    return id;
  }

  /** What a container of {@linkcode create} has printed. */
  printed(id: string): string {
    return Deno.readTextFileSync(`${this.dir}/${id}.out`);
  }

  /** The state of a container. */
  async state(id: string): Promise<{ readonly status: string; readonly pid: number }> {
    const { code, stdout, stderr } = await this.oci("state", id);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Waits until a container has a status. */
  async awaitStatus(id: string, status: string): Promise<void> {
    await until(async () => (await this.state(id)).status === status, 60, `${id} to be ${status}`);
  }

  /** The directories of states that there are. */
  left(): readonly string[] {
    try {
      return [...Deno.readDirSync(this.root)].map(({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.left()) await this.oci("delete", "--force", id);
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** The cgroups that are called like a container. */
export function cgroupsOf(id: string): readonly string[] {
  const { stdout } = new Deno.Command("find", {
    args: ["/sys/fs/cgroup", "-maxdepth", "5", "-type", "d", "-name", id],
    stderr: "null",
  }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((path) => path !== "");
}
