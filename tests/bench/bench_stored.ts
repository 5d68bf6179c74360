/**
 * What it costs to fetch, start and remove an image that runs as it is stored, next to one that is extracted.
 *
 *     deno run -A tests/bench/bench_stored.ts [MEGABYTES=200] [ROUNDS=5]     needs root, dist/rkt
 */
import { reported, verdict } from "../../scripts/bench/report.ts";
import { median } from "../../scripts/bench/times.ts";
import { Failure } from "../../src/failure.ts";
import { extractTrees, makeRoot } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";
import { detachTrees } from "../../src/store/tree/mount_tree.ts";

const KINDS = ["extracted", "indexed"] as const;
const NAME = "example.com/stored";
/** Bytes of each of the image's files. */
const FILE = 16_000;

const WHAT = ["fetch", "first start", "later start", "rm and gc"] as const;
type Times = Readonly<Record<typeof WHAT[number], number>> & { readonly disk: number };

async function timed(...args: string[]): Promise<number> {
  const from = performance.now();
  const { code, stderr } = await rkt("--insecure-options=image", ...args);
  if (code !== 0) throw new Failure(`rkt ${args.join(" ")}: ${stderr}`);
  return performance.now() - from;
}

async function makeImage(directory: string, megabytes: number): Promise<string> {
  const root = `${directory}/root`;
  Deno.mkdirSync(root);
  makeRoot(root);
  const bytes = crypto.getRandomValues(new Uint8Array(FILE));
  for (let i = 0; i < megabytes * 1e6 / FILE; i++) {
    const place = `${root}/files/${i % 100}`;
    if (i < 100) Deno.mkdirSync(place, { recursive: true });
    Deno.writeFileSync(`${place}/${i}`, bytes);
  }
  const path = `${directory}/stored.aci`;
  await timed("image", "build", `--name=${NAME}`, "--exec=/bin/true", root, path);
  return path;
}

/** A round with a new store. The second start with other words: it is worked out like the first, and finds the mount. */
async function round(directory: string, file: string, kind: typeof KINDS[number]): Promise<Times> {
  const data = `${directory}/data`;
  if (kind === "extracted") extractTrees(data);
  const dir = `--dir=${data}`;
  const start = (name: string) => timed(dir, "run", "--net=none", `--hostname=${name}`, NAME);
  try {
    const fetch = await timed(dir, "fetch", file);
    const du = await new Deno.Command("du", { args: ["-sm", data] }).output();
    const disk = parseInt(new TextDecoder().decode(du.stdout));
    const [first, later] = [await start("a"), await start("b")];
    for (let i = 0; i < 2; i++) await timed(dir, "gc", "--grace-period=0s");
    const removal = await timed(dir, "image", "rm", NAME) + await timed(dir, "image", "gc");
    return { fetch, "first start": first, "later start": later, "rm and gc": removal, disk };
  } finally {
    detachTrees(data, () => true);
    Deno.removeSync(data, { recursive: true });
  }
}

/** How much of the time of an extracted image it may take. */
const BUDGETS = { fetch: 0.5, "rm and gc": 0.05 } as const;
/** How much longer than a later start the first one may take, in milliseconds. */
const FIRST_START_BUDGET = 10;

function printVerdicts(all: ReadonlyMap<string, readonly Times[]>): void {
  const middle = (kind: typeof KINDS[number], what: keyof Times) =>
    median((all.get(kind) ?? []).map((times) => times[what]));
  for (
    const [what, budget] of [["fetch", BUDGETS.fetch], ["rm and gc", BUDGETS["rm and gc"]]] as const
  ) {
    const found = middle("indexed", what) / middle("extracted", what);
    console.log(
      verdict(`${what} at most ${budget}× the extracted`, found.toFixed(3), found <= budget),
    );
  }
  const more = middle("indexed", "first start") - middle("indexed", "later start");
  const budget = `the first start at most ${FIRST_START_BUDGET} ms more than a later one`;
  console.log(verdict(budget, `${more.toFixed(1)} ms`, more <= FIRST_START_BUDGET));
}

async function bench(megabytes: number, rounds: number): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-bench-" });
  try {
    const file = await makeImage(directory, megabytes);
    const all = new Map<string, Times[]>(KINDS.map((kind) => [kind, []]));
    for (let i = 0; i < rounds; i++) {
      for (const kind of KINDS) all.get(kind)?.push(await round(directory, file, kind));
    }
    console.log(`${megabytes} MB in files of ${FILE} bytes; medians of ${rounds} rounds`);
    for (const [kind, times] of all) {
      const cells = WHAT.map((what) =>
        `${what} ${median(times.map((t) => t[what])).toFixed(0)} ms`
      );
      const disk = median(times.map((t) => t.disk));
      console.log(`${kind.padEnd(10)} ${cells.join(", ")}, disk ${disk} MB`);
    }
    printVerdicts(all);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const [megabytes = 200, rounds = 5] = Deno.args.map(Number);
  await reported(() => bench(megabytes, rounds));
}
