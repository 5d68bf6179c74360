/**
 * What it costs to fetch, start and remove an image that runs as it is stored, next to one that is extracted.
 *
 *     deno run -A tests/bench/bench_stored.ts [MEGABYTES=200] [ROUNDS=3]     needs root, dist/rkt
 *
 * Removed is an image when nothing of it is in the store any more. What an operator types for that is `rkt image rm`; of an
 * extracted one it leaves the tree, which `rkt image gc` takes.
 */
import { type Figure, printFigures, reported } from "../../scripts/bench/report.ts";
import { median } from "../../scripts/bench/times.ts";
import { Failure } from "../../src/failure.ts";
import { extractTrees, makeRoot } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";
import { detachTrees } from "../../src/store/tree/mount_tree.ts";

type Kind = "extracted" | "indexed";
/** Rounds of the one for each of the other, which takes ten times as long: the differences of starts are small. */
const INDEXED_ROUNDS = 3;
const NAME = "example.com/stored";
/** Bytes of each of the image's files. */
const FILE = 16_000;

const WHAT = ["fetch", "first start", "later start", "removal"] as const;
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

/** What of an image a store has: archives and trees. */
function leftIn(data: string): string[] {
  return ["blob", "tree", "imageManifest"].flatMap((kind) => filesBelow(`${data}/cas/${kind}`));
}

function filesBelow(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${directory}/${name}`) : [`${directory}/${name}`]
  );
}

async function removalOf(kind: Kind, data: string): Promise<number> {
  const dir = `--dir=${data}`;
  let took = await timed(dir, "image", "rm", NAME);
  if (kind === "extracted") took += await timed(dir, "image", "gc");
  const left = leftIn(data);
  if (left.length > 0) throw new Failure(`bench: ${left[0]} is still there`);
  return took;
}

/** A round with a new store. The second start with other words: it is worked out like the first, and finds the mount. */
async function round(directory: string, file: string, kind: Kind): Promise<Times> {
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
    const removal = await removalOf(kind, data);
    return { fetch, "first start": first, "later start": later, removal, disk };
  } finally {
    detachTrees(data, () => true);
    Deno.removeSync(data, { recursive: true });
  }
}

/** How much of the time of an extracted image it may take. */
const BUDGETS = { fetch: 0.5, removal: 0.05 } as const;
/** How much longer than a later start the first one may take, in milliseconds. */
const FIRST_START_BUDGET = 10;

function figuresOf(extracted: readonly Times[], indexed: readonly Times[]): Figure[] {
  const middle = (all: readonly Times[], what: keyof Times) =>
    median(all.map((times) => times[what]));
  const ms = (all: readonly Times[], what: keyof Times) => `${middle(all, what).toFixed(0)} ms`;
  const ratio = (what: keyof typeof BUDGETS, title: string): Figure => {
    const found = middle(indexed, what) / middle(extracted, what);
    return {
      title,
      rkt: ms(indexed, what),
      other: `${ms(extracted, what)} extracted`,
      value: `${found.toFixed(3)}×`,
      budget: `${BUDGETS[what]}×`,
      holds: found <= BUDGETS[what],
    };
  };
  const more = middle(indexed, "first start") - middle(indexed, "later start");
  return [
    ratio("fetch", "fetch of an ACI"),
    {
      title: "first start after it",
      rkt: ms(indexed, "first start"),
      other: `${ms(indexed, "later start")} later`,
      value: `+${more.toFixed(1)} ms`,
      budget: `+${FIRST_START_BUDGET} ms`,
      holds: more <= FIRST_START_BUDGET,
    },
    ratio("removal", "removal"),
  ];
}

/**
 * Measures.
 *
 * @param rounds how often the extracted image is fetched and removed
 */
export async function measureStored(megabytes: number, rounds: number): Promise<Figure[]> {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-bench-" });
  try {
    const file = await makeImage(directory, megabytes);
    const [extracted, indexed]: [Times[], Times[]] = [[], []];
    for (let i = 0; i < rounds; i++) {
      extracted.push(await round(directory, file, "extracted"));
      for (let k = 0; k < INDEXED_ROUNDS; k++) {
        indexed.push(await round(directory, file, "indexed"));
      }
    }
    const disk = (all: readonly Times[]) => median(all.map((times) => times.disk));
    console.log(
      `${megabytes} MB in files of ${FILE} bytes; medians of ${extracted.length} and ${indexed.length} rounds; ` +
        `disk: ${disk(extracted)} MB extracted, ${disk(indexed)} MB as it is stored`,
    );
    return figuresOf(extracted, indexed);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const [megabytes = 200, rounds = 3] = Deno.args.map(Number);
  await reported(async () => printFigures(await measureStored(megabytes, rounds)));
}
