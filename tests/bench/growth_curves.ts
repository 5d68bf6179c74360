/** What `deno task bench growth` measures: how costs grow with apps, volumes, pods, images, bytes and lines. */
import { randomBytes } from "node:crypto";
import { childrenTime } from "../../scripts/bench/processor_time.ts";
import type { Shape, Sizes } from "../../scripts/bench/growth.ts";
import { Failure } from "../../src/failure.ts";
import { BOX, list, podUuid, type World } from "../world/pod_world.ts";
import { only } from "../world/nth.ts";
import { rkt } from "../world/rkt.ts";

/** Returns how many milliseconds of the processors something takes. */
type Measure = () => Promise<number>;

/** A cost, and how it should grow. */
export interface Curve {
  readonly what: string;
  readonly of: string;
  readonly sizes: Sizes;
  readonly shape: Shape;
  /** How many milliseconds one more may cost at most. */
  readonly budget?: number;
  /** Makes ready what a size needs: what it returns can be done again and again. */
  readonly ready: (world: World, size: number) => Promise<Measure> | Measure;
}

const FEW: Sizes = [1, 10, 100];
const MANY: Sizes = [10, 100, 1000];

async function done(world: World, ...args: string[]): Promise<number> {
  const from = childrenTime();
  const { code, stderr } = await rkt(...world.flags, ...args);
  if (code !== 0) throw new Failure(`rkt ${args.slice(0, 9).join(" ")}: ${stderr}`);
  return childrenTime() - from;
}

/** A start that differs from all before it in its hostname. */
const newStart = (world: World, ...args: string[]) =>
  done(world, "run", "--net=none", `--hostname=h${crypto.randomUUID().slice(0, 8)}`, ...args);

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

const apps = (count: number): string[] =>
  numbers(count).flatMap((i) => [BOX, `--name=app${i}`, "--exec=/bin/true", "---"]).slice(0, -1);

const volumes = (count: number): string[] =>
  numbers(count).flatMap((i) => [
    `--volume=v${i},kind=empty`,
    `--mount=volume=v${i},target=/srv/v${i}`,
  ]);

/** Copies of a pod that has ended, under other UUIDs. */
async function endedPods(world: World, count: number): Promise<string> {
  const pods = () => world.pods().filter((pod) => pod.startsWith("run/"));
  if (pods().length === 0) await done(world, "run", "--net=none", BOX, "--exec=/bin/true");
  const [pod = ""] = pods();
  const uuids = numbers(count - pods().length).map(() => crypto.randomUUID());
  const script = 'from=$1; shift; for each; do cp -a "$from" "${from%/*}/$each"; done';
  const args = ["-c", script, "sh", `${world.dataDir}/pods/${pod}`, ...uuids];
  const { success } = await new Deno.Command("sh", { args }).output();
  if (!success) throw new Failure("pods can't be copied");
  return podUuid(pod);
}

/** Images of the same files under other names. */
async function images(world: World, count: number): Promise<void> {
  for (let i = list(`${world.dataDir}/cas/imageManifest`).length; i < count; i++) {
    const name = `more${i}`;
    if (!list(world.dir).includes(`${name}.aci`)) await world.store(name, {});
  }
}

/** An image of files with random bytes, and its removal before each fetch. */
async function fetched(world: World, files: number, bytes: number): Promise<Measure> {
  const root = `${world.dir}/files-${files}-${bytes}`;
  for (const i of numbers(files)) {
    const directory = `${root}/${i % 100}`;
    Deno.mkdirSync(directory, { recursive: true });
    Deno.writeFileSync(`${directory}/${i}`, randomBytes(bytes));
  }
  const name = `example.com/files-${files}-${bytes}`;
  const path = await world.build(`${files}-${bytes}.aci`, ["--name", name], root);
  Deno.removeSync(root, { recursive: true });
  return async () => {
    await rkt(...world.flags, "image", "rm", name);
    return await done(world, "fetch", path);
  };
}

async function logged(world: World, lines: number): Promise<string> {
  const words = [BOX, "--stdout=log", "--exec=/bin/busybox", "--", "seq", `${lines}`];
  const before = new Set(world.pods());
  await done(world, "run", "--net=none", ...words);
  return podUuid(only(world.pods().filter((pod) => !before.has(pod))));
}

/** The curves. What grows once in a world stays there: those of pods and images have worlds of their own. */
export const CURVES: readonly Curve[] = [
  {
    ...{ what: "first start", of: "apps", sizes: [1, 15, 150], shape: "linear", budget: 4 },
    ready: (world, size) => () => newStart(world, ...apps(size)),
  },
  {
    ...{ what: "repeated start", of: "apps", sizes: [1, 15, 150], shape: "linear", budget: 4 },
    ready: (world, size) => () => done(world, "run", "--net=none", ...apps(size)),
  },
  {
    ...{ what: "first start", of: "volumes", sizes: FEW, shape: "linear" },
    ready: (world, size) => () => newStart(world, ...volumes(size), BOX, "--exec=/bin/true"),
  },
  {
    ...{ what: "first start", of: "ended pods", sizes: MANY, shape: "constant" },
    ready: async (world, size) => {
      await endedPods(world, size);
      return async () => {
        const before = new Set(world.pods());
        const time = await newStart(world, BOX, "--exec=/bin/true");
        for (const pod of world.pods()) {
          if (!before.has(pod)) await done(world, "rm", podUuid(pod));
        }
        return time;
      };
    },
  },
  {
    ...{ what: "status of one", of: "ended pods", sizes: MANY, shape: "constant" },
    ready: async (world, size) => {
      const uuid = await endedPods(world, size);
      return () => done(world, "status", uuid.slice(0, 13));
    },
  },
  {
    ...{ what: "list", of: "ended pods", sizes: MANY, shape: "linear" },
    ready: async (world, size) => {
      await endedPods(world, size);
      return () => done(world, "list");
    },
  },
  {
    ...{ what: "gc", of: "ended pods", sizes: MANY, shape: "linear", budget: 3 },
    ready: (world, size) => async () => {
      await endedPods(world, size);
      return await done(world, "gc", "--grace-period=0s");
    },
  },
  {
    ...{ what: "image inspect of one", of: "images", sizes: FEW, shape: "constant" },
    ready: async (world, size) => {
      await images(world, size);
      return () => done(world, "image", "inspect", BOX);
    },
  },
  {
    ...{ what: "image list", of: "images", sizes: FEW, shape: "linear" },
    ready: async (world, size) => {
      await images(world, size);
      return () => done(world, "image", "list");
    },
  },
  {
    ...{ what: "fetch", of: "files of 1 KB", sizes: [100, 1000, 10_000], shape: "linear" },
    ready: (world, size) => fetched(world, size, 1000),
  },
  {
    ...{ what: "fetch", of: "MB", sizes: FEW, shape: "linear" },
    ready: (world, size) => fetched(world, size, 1_000_000),
  },
  {
    ...{ what: "logs", of: "lines", sizes: [10_000, 100_000, 1_000_000], shape: "linear" },
    ready: async (world, size) => {
      const uuid = await logged(world, size);
      return () => done(world, "logs", uuid);
    },
  },
  {
    ...{ what: "logs --timestamps", of: "lines", sizes: [1000, 10_000, 100_000], shape: "linear" },
    ready: async (world, size) => {
      const uuid = await logged(world, size);
      return () => done(world, "logs", "--timestamps", uuid);
    },
  },
];
