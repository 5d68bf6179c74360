/** Eight fetches at once, collectors beside them, a server that breaks off, and KILL every second. */
import assert from "node:assert/strict";
import { type Ended, FetchWorld } from "../world/fetch_world.ts";
import { fileRoute } from "../world/web_site.ts";
import { Random } from "../world/random.ts";

/** How long it goes on, in milliseconds. */
const DURATION = 20_000;
const FETCHERS = 8;

/** The images by name; each depends on those of its list. */
const IMAGES: readonly (readonly [name: string, dependencies: readonly string[]])[] = [
  ["base", []],
  ["tools", ["base"]],
  ["one", ["base"]],
  ["two", ["tools"]],
  ["three", ["base", "tools"]],
  ["four", ["one", "two"]],
];

const argument = (name: string) => `example.com/${name}:1.0`;
const ALL = IMAGES.map(([name]) => argument(name));

/** Text that does not compress well. */
function noise(length: number): string {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return Array.from(bytes, (byte) => byte.toString(36)).join("").slice(0, length);
}

/** Serves all images, every fourth time only to some byte of the rest. */
function serveImages(world: FetchWorld, random: Random): void {
  let served = 0;
  for (const [name, dependencies] of IMAGES) {
    const manifest = {
      dependencies: dependencies.map((each) => ({
        imageName: `example.com/${each}`,
        labels: [{ name: "version", value: "1.0" }],
      })),
    };
    const files = { [name]: noise(500_000), shared: name };
    const image = world.image(`example.com/${name}`, "1.0", files, manifest);
    world.serve(`example.com/${name}`, "1.0", image);
    const cut = (from: number) =>
      served++ % 4 === 0 ? random.below(image.length - from) : undefined;
    world.site.route(world.url(`example.com/${name}`, "1.0"), fileRoute(image, `"${name}"`, cut));
  }
}

/** Processes that run at the moment, and what became of those that ended. */
class Chaos {
  readonly #running = new Set<Deno.ChildProcess>();
  readonly #world: FetchWorld;
  readonly #end = Date.now() + DURATION;
  /** How often a command of each kind came to its end, by itself or by KILL. */
  readonly ended = { fetch: 0, killed: 0, gc: 0 };

  readonly #random: Random;

  constructor(world: FetchWorld, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  get over(): boolean {
    return Date.now() >= this.#end;
  }

  /** Fetches two thirds of the images, others each time. */
  async fetchOn(first: number): Promise<void> {
    for (let round = first; !this.over; round++) {
      const chosen = ALL.filter((_, index) => (index + round) % 3 !== 0);
      const policy = round % 2 === 0 ? "update" : "new";
      const child = this.#world.spawn("fetch", `--pull-policy=${policy}`, ...chosen);
      this.#running.add(child);
      const { success, signal, stderr } = await child.output();
      this.#running.delete(child);
      this.ended[signal === "SIGKILL" ? "killed" : "fetch"]++;
      assert.ok(success || signal === "SIGKILL", new TextDecoder().decode(stderr));
    }
  }

  /** Collects: pods and temporary files, old images, all images. */
  async collectOn(): Promise<void> {
    const commands = [["gc"], ["image", "gc"], ["image", "gc", "--grace-period=0s"]];
    while (!this.over) {
      for (const command of commands) {
        assertEnded(await this.#world.rkt(...command));
        this.ended.gc++;
      }
    }
  }

  /** Kills one of the fetches now. */
  kill(): void {
    const running = [...this.#running];
    try {
      running[this.#random.below(running.length)]?.kill("SIGKILL");
    } catch (error) {
      // It has just ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

function assertEnded({ code, err }: Ended): void {
  assert.equal(code, 0, err);
}

/** IDs of all images in the store. */
async function stored(world: FetchWorld): Promise<string[]> {
  const list = await world.rkt("image", "list", "--full", "--no-legend", "--fields=id");
  assertEnded(list);
  return list.out.split("\n").filter((line) => line !== "");
}

/** Verifies archive, tree and signature of every image in the store. Returns what was remarked. */
async function verifyAll(world: FetchWorld): Promise<string[]> {
  const ids = await stored(world);
  if (ids.length === 0) return [];
  const verify = await world.rkt("image", "verify", ...ids);
  assertEnded(verify);
  assert.equal(verify.out.match(/^successfully verified/gm)?.length, ids.length);
  return verify.err.split("\n").filter((line) => line !== "");
}

Deno.test("eight rkt fetch at once beside gc, one killed every second, leave a whole store", async () => {
  using world = new FetchWorld();
  world.trust();
  const random = Random.ofTest();
  serveImages(world, random);
  const chaos = new Chaos(world, random);
  const killer = setInterval(() => chaos.kill(), 1000);
  try {
    const fetchers = Array.from({ length: FETCHERS }, (_, index) => chaos.fetchOn(index));
    const ends = await Promise.allSettled([...fetchers, chaos.collectOn()]);
    const failures = ends.flatMap((end) => end.status === "rejected" ? [`${end.reason}`] : []);
    assert.deepEqual(failures, []);
  } finally {
    clearInterval(killer);
  }
  assert.ok(Math.min(...Object.values(chaos.ended)) > 0, JSON.stringify(chaos.ended));

  // A fetch that was killed may have had time for an image, but not for what it depends on.
  const remarks = await verifyAll(world);
  assert.deepEqual(remarks.filter((line) => !/ depends on .* not in the store/.test(line)), []);
  assertEnded(await world.rkt("gc"));
  assertEnded(await world.rkt("image", "gc"));
  assert.deepEqual(world.stored("tmp"), []);

  // All again: what the killed ones have downloaded is taken up, so that nothing of it stays.
  assertEnded(await world.rkt("fetch", ...ALL));
  assert.equal((await stored(world)).length, IMAGES.length);
  assert.deepEqual(await verifyAll(world), []);
  assertEnded(await world.rkt("image", "gc"));
  assert.deepEqual([...world.stored("tmp"), ...world.stored("partial")], []);

  assertEnded(await world.rkt("image", "gc", "--grace-period=0s"));
  world.assertNothingStored();
});
