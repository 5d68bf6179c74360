/** A place to run pods in: a data directory, images of busybox, and pods that are watched from outside. */
import assert from "node:assert/strict";
import { architectureLabel } from "../../src/appc/label.ts";
import { removeCgroupsSoon } from "../../src/pod/cgroups/pod_cgroups.ts";
import { syscall, trySyscall } from "../../src/linux/syscall.ts";
import { listPods } from "../../src/pod/directory/pod_directory.ts";
import { detachTrees } from "../../src/store/tree/mount_tree.ts";
import { type Outcome, RKT, rkt, rootRkt } from "./rkt.ts";
import { only } from "./nth.ts";
import { within } from "./until.ts";

/** The image that {@linkcode World} has in its store: busybox, some users, some files with owners. */
export const BOX = "example.com/box";

/** The flag with which images that nobody has signed are used. */
export const UNSIGNED = "--insecure-options=image";

const COMMANDS =
  "sh cat ls id mkfifo stat mount umount grep readlink env sleep touch wc hostname sort dd true";

/** Makes a root file system with busybox in it. */
export function makeRoot(root: string): void {
  for (const name of ["bin", "etc", "srv", "private"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  const found = new Deno.Command("sh", { args: ["-c", "command -v busybox"] }).outputSync();
  Deno.copyFileSync(new TextDecoder().decode(found.stdout).trim(), `${root}/bin/busybox`);
  for (const name of COMMANDS.split(" ")) Deno.symlinkSync("busybox", `${root}/bin/${name}`);
  const files: readonly (readonly [string, string, number])[] = [
    ["etc/passwd", "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/srv:/bin/sh\n", 0o644],
    ["etc/group", "root:x:0:\nwww:x:34:\nstaff:x:50:www\n", 0o644],
    ["etc/hostname", "of-the-image\n", 0o644],
    ["srv/owned", "", 0o644],
    ["srv/plain", "no program\n", 0o644],
    ["srv/script", "#!/bin/none\n", 0o755],
  ];
  for (const [path, text, mode] of files) {
    Deno.writeTextFileSync(`${root}/${path}`, text);
    Deno.chmodSync(`${root}/${path}`, mode);
  }
  // Root's, whoever runs the pods.
  for (const path of ["", "bin", "etc", "srv", "private", ...files.map(([path]) => path)]) {
    Deno.chownSync(`${root}/${path}`, 0, 0);
  }
  Deno.chmodSync(`${root}/private`, 0o700);
  Deno.chownSync(`${root}/srv/owned`, 1234, 2345);
}

/** The bytes of {@linkcode BOX}'s file, once a world has built it: it is the same in all of them. */
let builtBox: Uint8Array | undefined;

/** A data directory with {@linkcode BOX} in its store. */
export class World implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "rkt-run-" });
  readonly dataDir = `${this.dir}/data`;
  readonly root = `${this.dir}/root`;
  /** The flags of every command. */
  readonly flags: readonly string[] = [`--dir=${this.dataDir}`, UNSIGNED];
  readonly #pods: Pod[] = [];

  /** @param trees whether its trees are extracted, or indexes where the kernel can mount them */
  static async make(trees: "extracted" | "indexed" = "indexed"): Promise<World> {
    const world = new World();
    if (trees === "extracted") extractTrees(world.dataDir);
    Deno.mkdirSync(world.root);
    makeRoot(world.root);
    const file = `${world.dir}/box.aci`;
    if (builtBox === undefined) {
      await world.build("box.aci", ["--name", BOX, "--exec", "/bin/sh"]);
      builtBox = Deno.readFileSync(file);
    } else {
      Deno.writeFileSync(file, builtBox);
      Deno.chmodSync(file, 0o644);
    }
    const fetched = await world.rkt("--insecure-options=image", "fetch", file);
    assert.equal(fetched.code, 0, fetched.stderr);
    return world;
  }

  /** Builds an image with `rkt image build`, and returns its path. */
  async build(file: string, flags: readonly string[], root = this.root): Promise<string> {
    const path = `${this.dir}/${file}`;
    const built = await rootRkt("image", "build", ...flags, "--compression=none", root, path);
    assert.equal(built.code, 0, built.stderr);
    Deno.chmodSync(path, 0o644);
    return path;
  }

  /**
   * Builds an image `example.com/NAME` of the same files.
   *
   * @param app fields of the manifest's `app`, which runs /bin/true as root by default
   * @param fields other fields of the manifest
   * @returns the path of the file
   */
  async image(
    name: string,
    app: Readonly<Record<string, unknown>>,
    fields: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const manifest = {
      acKind: "ImageManifest",
      acVersion: "0.8.11",
      name: `example.com/${name}`,
      labels: [
        { name: "os", value: "linux" },
        { name: "arch", value: architectureLabel(Deno.build.arch) },
      ],
      app: { exec: ["/bin/true"], user: "0", group: "0", ...app },
      ...fields,
    };
    const path = `${this.dir}/${name}.json`;
    Deno.writeTextFileSync(path, JSON.stringify(manifest));
    return await this.build(`${name}.aci`, ["--manifest", path]);
  }

  /** Builds an image as {@linkcode image} does, and brings it into the store. */
  async store(name: string, app: Readonly<Record<string, unknown>>): Promise<void> {
    const file = await this.image(name, app);
    const fetched = await this.rkt("--insecure-options=image", "fetch", file);
    assert.equal(fetched.code, 0, fetched.stderr);
  }

  /** Runs a command of rkt. Nothing in the store is signed. */
  rkt(...args: string[]): Promise<Outcome> {
    return rkt(...this.flags, ...args);
  }

  /** The words of a `run` of a script in a shell of {@linkcode BOX}. */
  words(script: string, ...flags: string[]): string[] {
    const net = flags.some((flag) => flag.startsWith("--net")) ? [] : ["--net=none"];
    return [...this.flags, "run", ...net, BOX, ...flags, "--", "-c", script];
  }

  /** Runs a script in a shell of {@linkcode BOX} to its end. */
  run(script: string, ...flags: string[]): Promise<Outcome> {
    return rkt(...this.words(script, ...flags));
  }

  /** What a script prints; it must succeed. */
  async output(script: string, ...flags: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, ...flags);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** Starts a script that prints `up` first, and returns when it has. */
  async start(script: string, ...flags: string[]): Promise<Pod> {
    const pod = this.spawn(...this.words(`echo up; ${script}`, ...flags));
    assert.equal(await pod.line(), "up");
    return pod;
  }

  /** Starts rkt with any words. */
  spawn(...words: string[]): Pod {
    return this.adopt(
      new Deno.Command(RKT, { args: words, stdin: "null", stdout: "piped" }).spawn(),
    );
  }

  /** Takes a pod that was started elsewhere, to end it when the world ends. */
  adopt(child: Deno.ChildProcess): Pod {
    const pod = new Pod(child);
    this.#pods.push(pod);
    return pod;
  }

  /** The UUIDs in all directories of pods, each with its directory's name. */
  pods(): string[] {
    const found: string[] = [];
    for (const stage of list(`${this.dataDir}/pods`)) {
      for (const uuid of list(`${this.dataDir}/pods/${stage}`)) found.push(`${stage}/${uuid}`);
    }
    return found.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pod of this.#pods) await pod.end();
    for (const pod of listPods(this.dataDir)) removeCgroupsSoon(pod);
    detachTrees(this.dataDir, () => true);
    Deno.removeSync(this.dir, { recursive: true });
  }
}

/** Lets a store extract its trees, whatever the kernel can do; its directory need not be there yet. */
export function extractTrees(dataDir: string): void {
  Deno.mkdirSync(`${dataDir}/cas`, { recursive: true, mode: 0o750 });
  Deno.writeTextFileSync(`${dataDir}/cas/index-method`, "off\n");
}

/** The UUID in what {@linkcode World.pods} returns: `run/UUID`. */
export const podUuid = (path: string): string => path.slice(path.indexOf("/") + 1);

/** The names in a directory, sorted; none where it is not there, or is a file. */
export function list(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return [];
    throw error;
  }
}

/** The lines of a stream, one after the other as they come. */
export class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line; undefined at the end. It may take a minute. */
  async next(): Promise<string | undefined> {
    while (!this.#rest.includes("\n")) {
      const waited = `a line after ${JSON.stringify(this.#rest)}`;
      const { value, done } = await within(this.#reader.read(), 60, waited);
      if (done) return undefined;
      this.#rest += value;
    }
    const [line = ""] = this.#rest.split("\n", 1);
    this.#rest = this.#rest.slice(line.length + 1);
    return line;
  }

  /** Reads no more. */
  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** How long a pod may take for what it is waited for, in seconds. */
const PATIENCE = 30;

/** A pod that runs. */
export class Pod implements AsyncDisposable {
  readonly #lines: Lines;

  constructor(readonly child: Deno.ChildProcess) {
    this.#lines = new Lines(child.stdout);
  }

  /** The supervisor, which has the PID that rkt was started with. */
  get pid(): number {
    return this.child.pid;
  }

  /** PID 1 of the pod, by the host's number. */
  get init(): number {
    return only(children(this.pid));
  }

  /** The process of the pod's only app, by the host's number. */
  get app(): number {
    return only(children(this.init));
  }

  /** The next line of the app's output; undefined at its end. Fails where none comes. */
  line(): Promise<string | undefined> {
    return within(this.#lines.next(), PATIENCE, "a line of output, or its end");
  }

  /** How the process has ended. Fails where it does not. */
  ended(): Promise<Deno.CommandStatus> {
    return within(this.child.status, PATIENCE, "the end of a process");
  }

  /** Sends a signal to the supervisor. */
  kill(signal: Deno.Signal): void {
    this.child.kill(signal);
  }

  /** Asks the pod to end, and waits until it has. */
  async stop(): Promise<void> {
    this.kill("SIGTERM");
    await this.#lines.cancel();
    await this.child.status;
  }

  /**
   * Kills the pod where it still runs, and waits until none of its processes is left: the kernel kills them only after the
   * supervisor has ended, and until then they hold ports, mounts and cgroups.
   */
  async end(): Promise<void> {
    using inits = new Watches(childrenOf(this.pid));
    try {
      this.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#lines.cancel();
    await this.child.status;
    inits.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

/** The PIDs of a process's children. */
export function children(pid: number): number[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.trim().split(" ").filter((word) => word !== "").map(Number);
}

/** The fields of /proc/PID/status. */
export function processStatus(text: string): Map<string, string> {
  return new Map(
    text.trim().split("\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}

/** Refers to a process, so that its end can be waited for. */
export class Watch implements Disposable {
  readonly #fd: number;

  constructor(pid: number) {
    this.#fd = syscall(`watch process ${pid}`, "pidfd_open", pid, 0);
  }

  /** Whether the process ends within some seconds; they pass only if it does not. */
  ends(seconds = 30): boolean {
    const poll = new Uint8Array(8);
    const view = new DataView(poll.buffer);
    view.setInt32(0, this.#fd, true);
    view.setInt16(4, 1, true); // POLLIN
    const timeout = new BigInt64Array([BigInt(seconds), 0n]);
    return trySyscall("ppoll", poll, 1, new Uint8Array(timeout.buffer), 0, 8) === 1;
  }

  [Symbol.dispose](): void {
    trySyscall("close", this.#fd);
  }
}

/** Refers to processes that may have ended. */
class Watches implements Disposable {
  readonly #watches: readonly Watch[];

  constructor(pids: readonly number[]) {
    this.#watches = pids.flatMap((pid) => {
      try {
        return [new Watch(pid)];
      } catch {
        return [];
      }
    });
  }

  /** Waits for the end of each. */
  end(): void {
    for (const watch of this.#watches) assert.ok(watch.ends(60), "a pod's init did not end");
  }

  [Symbol.dispose](): void {
    for (const watch of this.#watches) watch[Symbol.dispose]();
  }
}

/** The PIDs of a process's children; none where it has ended. */
function childrenOf(pid: number): number[] {
  try {
    return children(pid);
  } catch {
    return [];
  }
}

/** The mounts of the host that have something to do with a directory. */
export function mountsBelow(dir: string): string[] {
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n").filter((l) => l.includes(dir));
}
