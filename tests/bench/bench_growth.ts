/**
 * `deno task bench growth [ROUNDS=5] [WORD…]`: how costs grow from 1 to 10 to 100. It fails where a cost that should be
 * linear or constant is not, or one more costs more than it may.
 *
 * Time of the processors is measured, and the best of some rounds counts: others on the machine hardly add to that.
 */
import { costOfOne, growth, type Times } from "../../scripts/bench/growth.ts";
import { reported, row } from "../../scripts/bench/report.ts";
import { World } from "../world/pod_world.ts";
import { type Curve, CURVES } from "./growth_curves.ts";

const WIDTH = 34;

async function best(world: World, { ready }: Curve, size: number, rounds: number): Promise<number> {
  const measure = await ready(world, size);
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push(await measure());
  return Math.min(...times);
}

async function measured(curve: Curve, rounds: number): Promise<Times> {
  await using world = await World.make();
  const [small, middle, large] = curve.sizes;
  return [
    await best(world, curve, small, rounds),
    await best(world, curve, middle, rounds),
    await best(world, curve, large, rounds),
  ];
}

/** Why a curve is not what it should be; undefined where it is. */
function fault({ shape, sizes, budget = Infinity }: Curve, times: Times): string | undefined {
  if (growth(shape, sizes, times) > 1) return `NOT ${shape.toUpperCase()}`;
  return costOfOne(sizes, times) > budget ? `MORE THAN ${budget} ms` : undefined;
}

async function bench(rounds: number, words: readonly string[]): Promise<void> {
  const chosen = CURVES.filter(({ what, of }) =>
    words.length === 0 || words.some((word) => `${what}, ${of}`.includes(word))
  );
  console.log(`milliseconds of the processors, the best of ${rounds} rounds`);
  let faults = 0;
  for (const curve of chosen) {
    const times = await measured(curve, rounds);
    const why = fault(curve, times);
    if (why !== undefined) faults++;
    const cells = curve.sizes.map((size, i) => `${size}: ${times[i]?.toFixed(1)}`);
    const one = costOfOne(curve.sizes, times);
    const more = `${one.toPrecision(2)} each`;
    const judged = why ?? curve.shape;
    console.log(
      row(WIDTH, [`${curve.what}, ${curve.of}`, ...cells.map((c) => ` ${c}`), more]),
      judged,
    );
  }
  if (faults > 0) {
    console.log(`${faults} of ${chosen.length} costs grow as they should not`);
    Deno.exitCode = 1;
  }
}

if (import.meta.main) {
  const [rounds, ...words] = Number(Deno.args[0]) > 0 ? Deno.args : ["5", ...Deno.args];
  await reported(() => bench(Number(rounds), words));
}
