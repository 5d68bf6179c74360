/**
 * `deno task equivalence [PAIRS]`: repeated starts next to fresh ones.
 *
 * A pair is a start that may be replayed, in a world that has changed since it was kept, and a start in the same world
 * for which nothing is kept. Both must look the same. Command lines and changes come by chance; the seed is printed.
 */
import assert from "node:assert/strict";
import { list } from "../world/pod_world.ts";
import { output } from "../world/host_world.ts";
import { nth } from "../world/nth.ts";
import { Random } from "../world/random.ts";
import { STARTS_DIRECTORY } from "../../stage1/launcher/start_entry.ts";
import { RKT } from "../world/rkt.ts";
import type { Change } from "./change.ts";
import { CHANGES_OF_CALLER } from "./changes_of_caller.ts";
import { CHANGES_OF_HOST } from "./changes_of_host.ts";
import { COMMAND_LINES, type CommandLine } from "./command_lines.ts";
import { type Observation, observe } from "./observe.ts";
import { Place, UNSHARED } from "./place.ts";

const CHANGES: readonly Change[] = [...CHANGES_OF_HOST, ...CHANGES_OF_CALLER];

/** So many changes of one command line come one after the other, and so many are there at the same time. */
const STEPS = 12;
const AT_ONCE = 2;

/** How often a change is one that is about the same as the command line. */
const RELATED = 0.6;

/** What pairs have come to. */
export interface Result {
  readonly pairs: number;
  /** How many were replayed by the launcher. */
  readonly replayed: number;
  /** A text for each pair that differed. */
  readonly differences: readonly string[];
}

/** A command line in a host that changes. */
class Chapter {
  readonly #on = new Set<Change>();

  constructor(readonly place: Place, readonly line: CommandLine, readonly random: Random) {}

  /** Changes the host, or undoes a change. */
  async step(): Promise<string> {
    const on = [...this.#on];
    // The last one first: one change may be about what another one has made.
    const last = on.at(-1);
    if (last !== undefined && (on.length >= AT_ONCE || this.random.next() < 0.4)) {
      const change = last;
      await change.undo(this.place);
      this.#on.delete(change);
      return `no longer: ${change.name}`;
    }
    const possible = CHANGES.filter(({ name }) => !this.#leavesNetworks(name));
    const related = possible.filter(({ about }) => this.line.about.includes(about));
    const among = related.length > 0 && this.random.next() < RELATED ? related : possible;
    const change = this.random.one(among);
    if (this.#on.has(change)) return "nothing";
    try {
      await change.apply(this.place);
    } catch {
      return "nothing"; // what is read-only can't be changed further
    }
    this.#on.add(change);
    return change.name;
  }

  /** A pod that can't be run once it has joined a network leaves that to gc, which would change the host for the next one. */
  #leavesNetworks(change: string): boolean {
    return this.line.about.includes("network") && change.startsWith("data/pods");
  }

  async undoAll(): Promise<void> {
    for (const change of [...this.#on].reverse()) await change.undo(this.place);
    this.#on.clear();
  }

  /** What is changed now. */
  get changes(): string {
    return [...this.#on].map(({ name }) => name).join(" and ") || "nothing";
  }
}

/** So many lines of a part are shown. */
const MOST_LINES = 6;

/** The parts of two observations that differ, as lines. */
function difference(replayed: Observation, fresh: Observation): string {
  const found: string[] = [];
  const all = new Set([...replayed.keys(), ...fresh.keys()]);
  // Where only one of the two ran, all else differs too.
  const ends = ["status", "stderr"];
  const told = replayed.get("status") === fresh.get("status") ? all : ends;
  for (const what of told) {
    const [a, b] = [replayed.get(what) ?? "nothing", fresh.get(what) ?? "nothing"];
    if (a === b) continue;
    // Long lines of JSON.
    const [linesA, linesB] = [a, b].map((text) => text.replaceAll("},{", "},\n{").split("\n"));
    if (linesA === undefined || linesB === undefined) continue;
    const only = (of: readonly string[], other: readonly string[], sign: string) =>
      of.filter((line) => !other.includes(line)).slice(0, MOST_LINES).map((line) =>
        `    ${sign} ${line.slice(0, 700)}`
      );
    found.push(
      `  ${what}:`,
      ...only(linesA, linesB, "repeated"),
      ...only(linesB, linesA, "fresh   "),
    );
  }
  return found.join("\n");
}

/** Compares pairs, and says what differs. */
export async function comparePairs(pairs: number, random: Random): Promise<Result> {
  await using place = await Place.make();
  const differences: string[] = [];
  let done = 0;
  let replayed = 0;
  while (done < pairs) {
    await place.restore();
    const only = Deno.env.get("LINE");
    const line = only === undefined ? random.one(COMMAND_LINES) : nth(COMMAND_LINES, Number(only));
    const chapter = new Chapter(place, line, random);
    await observe(place, line);
    try {
      for (let i = 0; i < STEPS && done < pairs; i++) {
        const step = await chapter.step();
        if (Deno.env.has("STEPS")) {
          console.log(done + 1, line.words.slice(3).join(" ").slice(0, 70), step);
        }
        const before = entriesNow();
        const repeated = await observe(place, line);
        if (before !== "" && entriesNow() === before) replayed++;
        await place.forgetStarts();
        const fresh = await observe(place, line);
        done++;
        const found = difference(repeated, fresh);
        if (found === "") continue;
        const [words] = line.words.slice(3).join(" ").split(" -- -c ");
        differences.push(
          `pair ${done}: ${words}\n  step: ${step}; changed: ${chapter.changes}\n${found}`,
        );
        console.log(differences.at(-1));
      }
    } finally {
      await chapter.undoAll();
    }
  }
  return { pairs: done, replayed, differences };
}

const entriesNow = (): string =>
  list(STARTS_DIRECTORY).map((name) => {
    try {
      return `${name} ${Deno.lstatSync(`${STARTS_DIRECTORY}/${name}`).ino}`;
    } catch {
      return name;
    }
  }).join("\n");

/** Runs this file in namespaces of its own; whether all pairs were the same. */
export async function compareApart(pairs: number): Promise<string> {
  const [command, ...flags] = UNSHARED;
  const words = [
    Deno.execPath(),
    "run",
    "--allow-all",
    "--no-check",
    new URL(import.meta.url).pathname,
  ];
  const child = new Deno.Command(command, {
    args: [...flags, ...words, "--inside", `${pairs}`],
    env: { RKT },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  });
  const { code, stdout } = await child.output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text);
  return text;
}

if (import.meta.main) {
  const [inside, count] = Deno.args;
  if (inside === "--inside") {
    const { pairs, replayed, differences } = await comparePairs(Number(count), Random.ofTest())
      .catch((error) => {
        if (error instanceof SuppressedError) console.log(error.error, error.suppressed);
        throw error;
      });
    console.log(`${pairs} pairs, ${replayed} replayed, ${differences.length} differ`);
    await output("sync");
    // Else nothing was compared.
    if (replayed < pairs / 8) console.log("too few were replayed");
    Deno.exit(differences.length === 0 && replayed >= pairs / 8 ? 0 : 1);
  }
  console.log(await compareApart(Number(inside ?? 2000)));
}
