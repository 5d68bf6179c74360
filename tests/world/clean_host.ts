/** What pods leave on their host: nothing, once they are collected. */
import assert from "node:assert/strict";
import type { Host } from "./host_world.ts";
import { list, podUuid, type World } from "./pod_world.ts";
import { nth } from "./nth.ts";
import { USER } from "./rkt.ts";

/** What `list` may say of a pod that nobody is at. */
const AT_REST = ["embryo", "aborted prepare", "prepared", "exited", "exited garbage", "garbage"];

/** The entries of a data directory that no pod owns. */
const DATA_DIRECTORY = [
  ...["audit.log", "cas", "ended-pods.json", "locks", "networks", "pods", "shared-network"],
  ...USER === undefined ? [] : ["pasta"],
];

/** Follows the pods of a world while they come and go, to know them by more than their directories. */
export class PodTrace {
  /** A word in the environment of all apps. */
  readonly word = `POD_OF_TEST_${crypto.randomUUID()}`;
  /** All pods that were seen. */
  readonly uuids = new Set<string>();
  /** The pods' PID namespaces by their inodes, held, so that no other one gets the same inode. */
  readonly #namespaces = new Map<number, Deno.FsFile>();
  readonly #own = inode("/proc/self/ns/pid");

  /** @param host where pods have networks, if they do */
  constructor(readonly world: World, readonly host?: Host) {}

  /** How many pods were seen with their processes. */
  get seen(): number {
    return this.#namespaces.size;
  }

  /** Looks which pods there are. */
  look(): void {
    for (const path of this.world.pods()) this.uuids.add(podUuid(path));
  }

  /** Looks which PID namespaces the processes of pods have. */
  lookAtProcesses(): void {
    for (const pid of this.#processes()) {
      try {
        const path = `/proc/${pid}/ns/pid`;
        const found = inode(path);
        if (found === undefined || found === this.#own || this.#namespaces.has(found)) continue;
        const file = Deno.openSync(path);
        const { ino } = file.statSync();
        if (ino === null || this.#namespaces.has(ino)) file.close();
        else this.#namespaces.set(ino, file);
      } catch {
        // It has ended.
      }
    }
  }

  /**
   * Processes that are in a pod's namespaces for PIDs or mounts, or whose arguments or environment have to do with the
   * world, its pods or their apps.
   */
  #processes(): string[] {
    const words = [this.word, this.world.dir, ...this.uuids];
    return processes().filter((pid) => {
      const namespace = inode(`/proc/${pid}/ns/pid`);
      if (namespace !== undefined && this.#namespaces.has(namespace)) return true;
      const text = ["cmdline", "environ", "mountinfo"].map((file) => read(`/proc/${pid}/${file}`));
      return words.some((word) => text.join("\n").includes(word));
    });
  }

  /** Every pod is at rest, `gc` takes all of them, and then nothing is left of them, in the data directory and outside. */
  async collected(): Promise<void> {
    this.look();
    const { world } = this;
    const rkt = (...args: string[]) => this.host?.rkt(world, ...args) ?? world.rkt(...args);
    const listed = await rkt("list", "--format=json");
    assert.equal(listed.code, 0, listed.stderr);
    const pods: readonly { readonly name: string; readonly state: string }[] = JSON.parse(
      listed.stdout,
    );
    for (const { name, state } of pods) assert.ok(AT_REST.includes(state), `${name} is ${state}`);
    const garbage = ["exited-garbage", "garbage"];
    const shown = world.pods().filter((path) => !garbage.includes(nth(path.split("/"), 0)));
    const names = pods.filter(({ state }) => !/garbage/.test(state)).map(({ name }) => name);
    assert.deepEqual(names.sort(), shown.map(podUuid).sort());

    const { code, stdout, stderr } = await rkt("gc", "--grace-period=0s", "--expire-prepared=0s");
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /stay/);
    assert.deepEqual(world.pods(), [], stdout + stderr);
    assert.deepEqual(list(world.dataDir).filter((name) => !DATA_DIRECTORY.includes(name)), []);
    assert.deepEqual(list(`${world.dataDir}/cas/tmp`), []);
    assert.deepEqual(list(`${world.dataDir}/networks`), []);
    await this.#hostIsClean();
  }

  async #hostIsClean(): Promise<void> {
    const mounts = read("/proc/self/mountinfo").split("\n");
    assert.deepEqual(mounts.filter((line) => line.includes(this.world.dir)), []);
    assert.deepEqual(cgroups(this.uuids), []);
    const left = () => this.#processes().map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`)}`);
    await settled(left);
    for (const file of this.#namespaces.values()) file.close();
    this.#namespaces.clear();
    const { host } = this;
    if (host === undefined) return;
    await settled(() => host.links());
    assert.equal(await host.output("nft", "list", "ruleset"), "");
    for (const network of list(`${this.world.dir}/ipam`)) {
      const taken = list(`${this.world.dir}/ipam/${network}`);
      assert.deepEqual(taken.filter((name) => /^[0-9a-f.:]+$/.test(name)), []);
    }
  }
}

/** Waits until nothing is left of what the kernel ends or removes in its own time. */
async function settled(left: () => readonly string[] | Promise<readonly string[]>): Promise<void> {
  const end = performance.now() + 20_000;
  while ((await left()).length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(await left(), []);
}

/** The PIDs of all processes but this one. */
function processes(): string[] {
  return list("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== Deno.pid);
}

/** The inode of a file; undefined where there is none, or none any more. */
function inode(path: string): number | undefined {
  try {
    return Deno.statSync(path).ino ?? undefined;
  } catch {
    return undefined;
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // It has ended.
  }
}

/** Cgroups of pods. */
function cgroups(uuids: ReadonlySet<string>): string[] {
  const { stdout } = new Deno.Command("find", {
    args: ["/sys/fs/cgroup", "-type", "d", "-name", "rkt-*"],
    stderr: "null", // some are gone before they are looked at
  }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((path) =>
    uuids.has(path.slice(path.lastIndexOf("/rkt-") + 5))
  );
}
