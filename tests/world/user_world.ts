/** Users other than root, who run pods in homes of their own. */
import assert from "node:assert/strict";
import { type Outcome, RKT } from "./rkt.ts";
import { makeRoot } from "./pod_world.ts";
import { until } from "./until.ts";

/** How much a user has been given: ranges of users for his namespaces, or nothing. */
export type UserMode = "range" | "one";

/** A number that no user of the system has. */
const FIRST_UID = 70_001;

let users = 0;

/** A user with a home, a copy of rkt, and an image `example.com/box` of busybox. */
export class UserWorld implements AsyncDisposable {
  readonly uid = FIRST_UID + users++;
  readonly dir = Deno.makeTempDirSync({ prefix: "rkt-user-" });
  readonly home = `${this.dir}/home`;
  readonly data = `${this.home}/.local/share/rkt`;
  /** His XDG_RUNTIME_DIR. */
  readonly runtime = `${this.home}/run`;
  /** What is /etc/subuid and /etc/subgid for him. */
  readonly subids = `${this.dir}/subids`;
  readonly #children: Deno.ChildProcess[] = [];
  /** Holds the network namespace in which the user works: one with a way out, for pasta, that leads nowhere. */
  #network: Deno.ChildProcess | undefined;

  private constructor(readonly mode: UserMode) {}

  static async make(mode: UserMode): Promise<UserWorld> {
    const world = new UserWorld(mode);
    Deno.chmodSync(world.dir, 0o711);
    for (const directory of ["home", "home/run"]) world.#makeOwn(directory);
    const range = mode === "range" ? `${world.uid}:${1_000_000 + 65_536 * users}:65536\n` : "";
    Deno.writeTextFileSync(world.subids, range);
    const passwd = `user:x:${world.uid}:${world.uid}::/:/bin/sh\n`;
    Deno.writeTextFileSync(`${world.dir}/passwd`, Deno.readTextFileSync("/etc/passwd") + passwd);
    await world.#makeNetwork();
    makeRoot(`${world.dir}/root`);
    await world.build("box", ["--exec=/bin/sh"], "root");
    return world;
  }

  async #makeNetwork(): Promise<void> {
    const script =
      "ip link set lo up; ip link add out type veth peer name far; ip link set far up; ip link set out up; " +
      "ip addr add 192.0.2.7/24 dev out; ip route add default via 192.0.2.1; " +
      "echo ready; exec sleep infinity";
    const network = new Deno.Command("unshare", {
      args: ["--net", "sh", "-ec", script],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#network = network;
    const reader = network.stdout.getReader();
    const { value } = await reader.read();
    assert.equal(new TextDecoder().decode(value), "ready\n");
    await reader.cancel();
  }

  /** The words in front of a command that is to be in the user's network. */
  get inNetwork(): readonly string[] {
    return ["nsenter", `--net=/proc/${this.#network?.pid}/ns/net`];
  }

  #makeOwn(name: string): void {
    Deno.mkdirSync(`${this.dir}/${name}`, { mode: 0o700 });
    Deno.chownSync(`${this.dir}/${name}`, this.uid, this.uid);
  }

  /** Builds `example.com/NAME` of a directory, as root, so that owners are what they are there. */
  async build(name: string, flags: readonly string[], root: string): Promise<string> {
    const file = `${this.dir}/${name}.aci`;
    const args = ["image", "build", `--name=example.com/${name}`, "--compression=none", ...flags];
    const { success, stderr } = await new Deno.Command(RKT, {
      args: [...args, `${this.dir}/${root}`, file],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    Deno.chmodSync(file, 0o644);
    return file;
  }

  /** The words that make a command the user's: in mounts where the system gives him what his mode says. */
  #asUser(
    words: readonly string[],
    environment: Readonly<Record<string, string>>,
    prepare: readonly string[] = [],
  ) {
    const all = {
      HOME: this.home,
      PATH: "/usr/bin:/bin",
      XDG_RUNTIME_DIR: this.runtime,
      ...environment,
    };
    const script = [
      "set -e",
      `mount --bind ${this.dir}/passwd /etc/passwd`,
      `mount --bind ${this.dir}/subids /etc/subuid`,
      `mount --bind ${this.dir}/subids /etc/subgid`,
      // Usually everybody's; on some hosts it is root's.
      `mknod ${this.dir}/tun-$$ c 10 200; chmod 666 ${this.dir}/tun-$$`,
      `mount --bind ${this.dir}/tun-$$ /dev/net/tun`,
      ...prepare,
      'exec setpriv --reuid="$1" --regid="$1" --clear-groups -- env -i "${@:2}"',
    ].join("\n");
    const variables = Object.entries(all).map(([name, value]) => `${name}=${value}`);
    return new Deno.Command("nsenter", {
      args: [
        ...this.inNetwork.slice(1),
        "unshare",
        "--mount",
        "bash",
        "-c",
        script,
        "bash",
        `${this.uid}`,
        ...variables,
        ...words,
      ],
      cwd: this.home,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** Runs rkt as the user, to its end. */
  async rkt(...args: string[]): Promise<Outcome> {
    return await this.command([RKT, "--insecure-options=image", ...args]);
  }

  /**
   * Runs a command as the user, to its end.
   *
   * @param prepare lines of a script that root executes before, in the mounts that the command has
   */
  async command(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    prepare: readonly string[] = [],
  ): Promise<Outcome> {
    const { code, stdout, stderr } = await this.#asUser(words, environment, prepare).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a script in a pod of `example.com/box`, to its end. */
  async run(script: string, ...flags: string[]): Promise<Outcome> {
    return await this.rkt("run", "--net=none", `${this.dir}/box.aci`, ...flags, "--", "-c", script);
  }

  /** Starts a pod, and waits until its apps have started. */
  async start(name: string, ...args: string[]): Promise<Deno.ChildProcess> {
    const words = [RKT, "--insecure-options=image", "run", `--pod-name=${name}`, ...args];
    const child = this.#asUser(words, {}).spawn();
    this.#children.push(child);
    let over = false;
    child.status.then(() => over = true);
    await until(
      async () => over || (await this.rkt("status", "--wait-ready", name)).code === 0,
      60,
      `pod ${name}`,
    );
    assert.equal(over, false, "the pod has ended");
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await Promise.allSettled([child.status, child.stdout.cancel(), child.stderr.cancel()]);
    }
    await this.rkt("gc", "--grace-period=0s");
    this.#network?.kill("SIGKILL");
    await this.#network?.status;
    Deno.removeSync(this.dir, { recursive: true });
  }
}
