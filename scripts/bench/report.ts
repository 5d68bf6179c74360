/** How the benchmarks print, and what they leave behind: nothing. */
import { Failure } from "../../src/failure.ts";
import { tool } from "./tool.ts";

/** A line of a table: the first cell to the left, the others to the right. */
export function row(width: number, [first = "", ...others]: readonly string[]): string {
  return first.padEnd(width) + others.map((cell) => cell.padStart(12)).join("");
}

/** Whether a budget holds. */
export function verdict(budget: string, value: string, holds: boolean): string {
  return `budget: ${budget}: ${holds ? "holds" : "DOES NOT HOLD"} (${value})`;
}

/** What was measured, next to something else, and what the project promises of it. */
export interface Figure {
  readonly title: string;
  readonly rkt: string;
  /** What it is compared with, and whose that is. */
  readonly other: string;
  readonly value: string;
  /** The most that the value may be. */
  readonly budget: string;
  readonly holds: boolean;
}

/** Prints figures as a table. */
export function printFigures(figures: readonly Figure[]): void {
  const line = ([first = "", rkt = "", other = "", ...rest]: readonly string[]) =>
    first.padEnd(24) + rkt.padStart(10) + other.padStart(22) +
    rest.map((cell) => cell.padStart(12)).join("");
  console.log(line(["", "rkt", "next to it", "rkt is", "at most", ""]));
  for (const { title, rkt, other, value, budget, holds } of figures) {
    console.log(line([title, rkt, other, value, budget, holds ? "holds" : "DOES NOT"]));
  }
}

/** Removes a directory. podman leaves mounts in its storage; they go in the reverse order of their making. */
export async function removeAll(dir: string): Promise<void> {
  const mounts = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${dir}/`));
  for (const point of mounts.toReversed()) await tool("umount", point);
  await Deno.remove(dir, { recursive: true });
}

/** Runs a benchmark; what it can't do is said in one line, and ends the process. */
export async function reported(bench: () => Promise<void>): Promise<void> {
  try {
    await bench();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
