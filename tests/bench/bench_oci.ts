/**
 * The first run of an image of five layers that nobody has seen yet, out of a registry of this host, next to podman: time from
 * nothing to the end of the app, and disk.
 *
 *     deno run -A tests/bench/bench_oci.ts [MEGABYTES=300] [ROUNDS=3]     needs root, dist/rkt, podman, umoci, skopeo, docker-registry
 */
import { type Place, PODMAN_RUN, podmanIn } from "../../scripts/bench/contenders.ts";
import { type Figure, printFigures, removeAll, reported } from "../../scripts/bench/report.ts";
import { median } from "../../scripts/bench/times.ts";
import { Failure } from "../../src/failure.ts";
import { tool } from "../../src/oci/testing/tools.ts";
import { DebianRegistry } from "../../src/registry/testing/debian_registry.ts";
import { detachTrees } from "../../src/store/tree/mount_tree.ts";
import { RKT } from "../world/rkt.ts";

const LAYERS = 5;
/** What real images are made of: programs, libraries, scripts, many small files. */
const SOURCES = ["/usr/lib", "/usr/share", "/usr/bin"];
const TIME_BUDGET = 0.5;
const DISK_BUDGET = 0.6;

/** What a round took. */
interface Cost {
  readonly pull: number;
  /** Until the app has ended, the pull counts. */
  readonly all: number;
  /** Bytes, as `du` counts them. */
  readonly disk: number;
}

/** Copies files of this host into the directories of the layers, until each has its share. */
async function makeLayers(directory: string, megabytes: number): Promise<void> {
  const list = await tool("find", [...SOURCES, "-xdev", "-type", "f", "-printf", "%s %p\\n"]);
  const files = list.trimEnd().split("\n").map((line) => {
    const space = line.indexOf(" ");
    return { size: Number(line.slice(0, space)), path: line.slice(space + 1) };
  }).filter(({ size, path }) => size < 20e6 && !path.includes("\n"));
  // A share of all of it: files of every size, and no order of directories.
  const stride = 97;
  const share = megabytes * 1e6 / LAYERS;
  let [layer, filled] = [0, 0];
  const lists: string[][] = Array.from({ length: LAYERS }, () => []);
  for (let i = 0; i < files.length && layer < LAYERS; i++) {
    const file = files[i * stride % files.length];
    if (file === undefined) continue;
    lists[layer]?.push(file.path);
    filled += file.size;
    if (filled >= share) [layer, filled] = [layer + 1, 0];
  }
  if (layer < LAYERS) throw new Failure("bench: this host has too few files");
  for (const [i, paths] of lists.entries()) {
    const into = `${directory}/layer-${i}`;
    await Deno.mkdir(into);
    const listed = `${directory}/list`;
    await Deno.writeTextFile(listed, paths.join("\0"));
    await tool("bash", [
      "-c",
      'tar -c --null -T "$1" 2>/dev/null | tar -x -C "$2"',
      ...["bash", listed, into],
    ]);
  }
}

/** Pushes the image; returns its name. */
async function pushImage(directory: string, host: string, megabytes: number): Promise<string> {
  await makeLayers(directory, megabytes);
  const image = `${directory}/layout:big`;
  await tool("umoci", ["init", "--layout", `${directory}/layout`]);
  await tool("umoci", ["new", "--image", image]);
  const busybox = `${directory}/busybox`;
  await tool("cp", ["/bin/busybox", busybox]);
  await tool("umoci", ["insert", "--image", image, busybox, "/true"]);
  for (let i = 0; i < LAYERS; i++) {
    await tool("umoci", ["insert", "--image", image, `${directory}/layer-${i}`, `/layer-${i}`]);
  }
  await tool("umoci", ["config", "--image", image, "--config.cmd=/true"]);
  const name = `${host}/big:1`;
  await tool("skopeo", [
    ...["copy", "--insecure-policy", "--dest-tls-verify=false"],
    ...[`oci:${image}`, `docker://${name}`],
  ]);
  return name;
}

async function timed(program: string, ...args: readonly string[]): Promise<number> {
  const from = performance.now();
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" })
    .output();
  if (!success) throw new Failure(`bench: ${program}: ${new TextDecoder().decode(stderr)}`);
  return (performance.now() - from) / 1000;
}

async function usage(directory: string): Promise<number> {
  return parseInt(await tool("du", ["-skx", directory])) * 1024;
}

async function rktRound(directory: string, name: string): Promise<Cost> {
  const data = `${directory}/rkt`;
  const flags = [`--dir=${data}`, "--insecure-options=image,http"];
  try {
    const pull = await timed(RKT, ...flags, "fetch", `docker://${name}`);
    const run = await timed(RKT, ...flags, "run", "--net=none", `docker://${name}`);
    const disk = await usage(data);
    return { pull, all: pull + run, disk };
  } finally {
    for (let i = 0; i < 2; i++) await timed(RKT, ...flags, "gc", "--grace-period=0s");
    detachTrees(data, () => true);
    await Deno.remove(data, { recursive: true });
  }
}

async function podmanRound(directory: string, name: string): Promise<Cost> {
  const place: Place = { dir: `${directory}/o`, rootFs: "", rkt: RKT, empty: "" };
  await Deno.mkdir(place.dir);
  const [podman, ...flags] = podmanIn(place);
  try {
    const pull = await timed(podman, ...flags, "pull", "-q", "--tls-verify=false", name);
    const run = await timed(podman, ...flags, "run", ...PODMAN_RUN, name);
    const disk = await usage(place.dir);
    return { pull, all: pull + run, disk };
  } finally {
    await removeAll(place.dir);
  }
}

/** Measures. */
export async function measureFirstRun(megabytes: number, rounds: number): Promise<Figure[]> {
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "rkt-" });
  try {
    await using registry = await DebianRegistry.start({ directory: `${directory}/registry` });
    const name = await pushImage(directory, registry.host, megabytes);
    const all: { rkt: Cost[]; podman: Cost[] } = { rkt: [], podman: [] };
    for (let i = 0; i < rounds; i++) {
      all.rkt.push(await rktRound(directory, name));
      all.podman.push(await podmanRound(directory, name));
    }
    const middle = (costs: readonly Cost[], of: keyof Cost) => median(costs.map((c) => c[of]));
    const pulls = Object.entries(all).map(([who, costs]) =>
      `${who} ${middle(costs, "pull").toFixed(2)} s`
    );
    console.log(
      `an image of ${megabytes} MB in ${LAYERS} layers; medians of ${rounds} rounds; pull alone: ${
        pulls.join(", ")
      }`,
    );
    const figure = (title: string, of: keyof Cost, budget: number, unit: string): Figure => {
      const [rkt, podman] = [middle(all.rkt, of), middle(all.podman, of)];
      const text = (value: number) =>
        unit === "s" ? `${value.toFixed(2)} s` : `${(value / 1e6).toFixed(0)} MB`;
      return {
        title,
        rkt: text(rkt),
        other: `${text(podman)} podman`,
        value: `${(rkt / podman).toFixed(2)}×`,
        budget: `${budget}×`,
        holds: rkt / podman <= budget,
      };
    };
    return [
      figure("pull and first run", "all", TIME_BUDGET, "s"),
      figure("disk", "disk", DISK_BUDGET, "MB"),
    ];
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const [megabytes = 300, rounds = 3] = Deno.args.map(Number);
  await reported(async () => printFigures(await measureFirstRun(megabytes, rounds)));
}
