/**
 * Debian's podman in mount, PID and network namespaces of its own, twice: with rkt and with runc below it, each with a store of its
 * own. Whatever it starts ends with it, and the host's network stays as it is.
 */
import assert from "node:assert/strict";
import { type Ended, ended } from "./ended.ts";
import { RKT } from "./rkt.ts";
import { RuntimeWorld } from "./runtime_world.ts";
import { until } from "./until.ts";

/** What podman may have below it. */
export type Below = "rkt" | "runc";
export const BELOW: readonly Below[] = ["rkt", "runc"];

/** The cgroup that podman puts containers into, unless it is told another one. */
const PARENT = "libpod_parent";

/** The network namespace of runc's podman, as the world sees it. */
const OTHER_NETWORK = "/run/netns/runc";

/** Both podmans. */
export class PodmanWorld implements AsyncDisposable {
  private constructor(
    readonly files: RuntimeWorld,
    readonly holder: Deno.ChildProcess,
    readonly pid: number,
  ) {}

  get dir(): string {
    return this.files.dir;
  }

  static async start(): Promise<PodmanWorld> {
    const files = await RuntimeWorld.make();
    Deno.symlinkSync(RKT, `${files.dir}/rkt-oci`);
    const holder = new Deno.Command("unshare", {
      args: [
        ...["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"],
        ...["--propagation", "private", "sh", "-c"],
        `ip link set lo up && mount -t tmpfs tmpfs /run && mkdir /run/netns /run/lock && touch ${OTHER_NETWORK} &&
        unshare --net=${OTHER_NETWORK} ip link set lo up && exec sleep infinity`,
      ],
      stdin: "null",
    }).spawn();
    const children = `/proc/${holder.pid}/task/${holder.pid}/children`;
    await until(() => Deno.readTextFileSync(children).trim() !== "", 60, "podman's namespaces");
    const pid = Number(Deno.readTextFileSync(children).trim());
    await until(
      () => Deno.readTextFileSync(`/proc/${pid}/comm`) === "sleep\n",
      60,
      "podman's directories",
    );
    return new PodmanWorld(files, holder, pid);
  }

  /** Runs podman, with some words as its input. `@` in a word stands for the world's directory. */
  async podman(below: Below, words: readonly string[], stdin?: string): Promise<Ended> {
    const store = `${this.dir}/${below}`;
    const args = [
      ...["-t", `${this.pid}`, "-m", "-p", this.#network(below)],
      ...["timeout", "--kill-after=5", "120", "podman"],
      ...["--root", `${store}/store`, "--runroot", `${store}/run`, "--tmpdir", `${store}/tmp`],
      ...["--network-config-dir", `${store}/networks`, "--volumepath", `${store}/volumes`],
      ...["--cgroup-manager=cgroupfs", "--events-backend=none"],
      ...["--runtime", below === "rkt" ? `${this.dir}/rkt-oci` : "/usr/sbin/runc"],
      ...words.map((word) => word.replaceAll("@", this.dir)),
    ];
    return await ended("nsenter", args, stdin, this.dir);
  }

  /** nsenter's flag: what both make of networks has the same names. */
  #network(below: Below): string {
    return below === "rkt" ? "-n" : `--net=/proc/${this.pid}/root${OTHER_NETWORK}`;
  }

  /** Makes an image of a root file system. */
  async import(rootfs: string, name: string): Promise<void> {
    const archive = `${this.dir}/image.tar`;
    const { success } = await new Deno.Command("tar", {
      args: ["-C", rootfs, "-cf", archive, "."],
    }).output();
    assert.ok(success);
    for (const below of BELOW) {
      const { code, stderr } = await this.podman(below, ["import", archive, name]);
      assert.equal(code, 0, stderr);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const below of BELOW) {
      await this.podman(below, ["pod", "rm", "-a", "-f", "-t", "0"]);
      await this.podman(below, ["rm", "-a", "-f", "-t", "0"]);
    }
    // With the first process of its PID namespace all others end, and with the last of them the mounts.
    Deno.kill(this.pid, "SIGKILL");
    await this.holder.status;
    // Other podmans of the host may use it.
    await new Deno.Command("sh", {
      args: ["-c", `find /sys/fs/cgroup -depth -type d -path '*/${PARENT}*' -exec rmdir {} +`],
      stdout: "null",
      stderr: "null",
    }).output();
    await this.files[Symbol.asyncDispose]();
  }
}
