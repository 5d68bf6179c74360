/**
 * Completes a command line, from the table of commands and the names of pods, apps and images. The scripts of `rkt
 * completion` ask for it at each press of Tab; see {@linkcode answerShell}.
 */
import type { Command } from "../grammar/command.ts";
import { appsOf, type Found, imageNames, networkNames, podsIn } from "./complete_names.ts";
import { GLOBAL_FLAGS } from "../grammar/global_flags.ts";
import { type Flag, flagTable, isFlag, SWITCHES } from "../grammar/flags.ts";
import { CAPABILITIES } from "../../linux/capabilities.ts";

/** A candidate for the current word. */
export interface Candidate {
  readonly word: string;
  /** What it is, in a few words. */
  readonly about: string;
  /** Whether the word goes on: no space comes behind it. */
  readonly open?: boolean;
}

/** A completion. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Whether files and directories are candidates too. */
  readonly files: boolean;
}

const NOTHING: Completion = { candidates: [], files: false };
const FILES: Completion = { candidates: [], files: true };

/** The command line up to the current word, read as far as it goes. */
interface Line {
  readonly command?: Command | undefined;
  /** The words of the command's name so far. */
  readonly name: readonly string[];
  /** The arguments that are no flags. */
  readonly args: readonly string[];
  /** The flag whose value the current word is, after a space. */
  readonly pending?: Flag | undefined;
  /** Whether the words are those of another program, behind `--` or a second argument. */
  readonly foreign: boolean;
  readonly dir: string;
  readonly localConfig: string;
}

/**
 * Completes the last of the words behind `rkt`.
 *
 * @param words at least one, the current one, which may be empty
 */
export async function complete(
  words: readonly string[],
  commands: readonly Command[],
): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const line = readLine(words.slice(0, -1), commands);
  if (line.foreign) return FILES;
  if (line.pending !== undefined) {
    return prefixed(await values(line.pending, current, line), current);
  }
  const equals = current.indexOf("=");
  if (current.startsWith("--") && equals > 0) {
    const flag = flagsFor(line).find(({ name }) => `--${name}` === current.slice(0, equals));
    if (flag === undefined) return NOTHING;
    const value = current.slice(equals + 1);
    const { candidates, files } = await values(flag, value, line);
    const start = current.slice(0, equals + 1);
    const all = candidates.map((each) => ({ ...each, word: start + each.word }));
    return prefixed({ candidates: all, files }, current);
  }
  if (current.startsWith("-")) return prefixed(flagCandidates(line), current);
  if (line.command === undefined) return prefixed(commandWords(line.name, commands), current);
  return prefixed(await argument(line.command, line, commands), current);
}

function prefixed({ candidates, files }: Completion, current: string): Completion {
  return { candidates: candidates.filter(({ word }) => word.startsWith(current)), files };
}

function readLine(words: readonly string[], commands: readonly Command[]): Line {
  let [dir, localConfig] = ["/var/lib/rkt", "/etc/rkt"];
  const name: string[] = [];
  const args: string[] = [];
  let pending: Flag | undefined;
  let foreign = false;
  let command: Command | undefined;
  for (const word of words) {
    if (pending !== undefined) {
      if (pending.name === "dir") dir = word;
      if (pending.name === "local-config") localConfig = word;
      pending = undefined;
    } else if (command?.grammar === "apps" && foreign) {
      foreign = word !== "---";
    } else if (word === "--") {
      foreign = true;
    } else if (isFlag(word)) {
      if (word.startsWith("--dir=")) dir = word.slice("--dir=".length);
      if (word.startsWith("--local-config=")) localConfig = word.slice("--local-config=".length);
      pending = word.includes("=") ? undefined : needingValue(word, command);
    } else if (args.length === 0 && followers([...name, word], commands).some(() => true)) {
      name.push(word);
      command = commands.find((each) => each.name === name.join(" "));
    } else {
      const full = args.length === 0 ? shortened(name, word, commands) : undefined;
      if (full !== undefined) {
        name.push(full);
        command = commands.find((each) => each.name === name.join(" "));
      } else {
        args.push(word);
        foreign = command?.grammar === "command" && args.length > 1;
      }
    }
  }
  return { command, name, args, pending, foreign, dir, localConfig };
}

/** The commands whose names begin with these words. */
function followers(words: readonly string[], commands: readonly Command[]): readonly Command[] {
  const start = words.join(" ");
  return commands.filter(({ name }) => name === start || name.startsWith(`${start} `));
}

/** The word that an abbreviation stands for, if there is only one. */
function shortened(
  name: readonly string[],
  word: string,
  commands: readonly Command[],
): string | undefined {
  if (commands.some((each) => each.name === name.join(" "))) return undefined;
  const found = commandWords(name, commands).candidates.filter((each) =>
    each.word.startsWith(word)
  );
  return found.length === 1 ? found[0]?.word : undefined;
}

function needingValue(word: string, command: Command | undefined): Flag | undefined {
  const flag = flagTable(command?.flags ?? [], GLOBAL_FLAGS).get(word);
  if (flag === undefined || SWITCHES.has(flag.kind)) return undefined;
  return flag.bare === undefined ? flag : undefined;
}

/** The words that can come next in a command's name. */
function commandWords(words: readonly string[], commands: readonly Command[]): Completion {
  const start = words.map((word) => `${word} `).join("");
  const found = new Map<string, Candidate>();
  for (const { name, summary } of commands) {
    if (!name.startsWith(start)) continue;
    const [word = "", ...more] = name.slice(start.length).split(" ");
    const about = more.length > 0 ? found.get(word)?.about ?? `rkt ${start}${word} …` : summary;
    found.set(word, { word, about });
  }
  return { candidates: [...found.values()], files: false };
}

/** The flags that are allowed here. Those of apps stand behind an image. */
function flagsFor({ command, args }: Line): readonly Flag[] {
  const own = (command?.flags ?? []).filter(({ scope, unsupported }) =>
    unsupported === undefined && (scope !== "app" || args.length > 0)
  );
  return [...own, ...GLOBAL_FLAGS];
}

function flagCandidates(line: Line): Completion {
  const candidates = flagsFor(line).map((flag): Candidate => {
    const open = !SWITCHES.has(flag.kind);
    return { word: `--${flag.name}${open ? "=" : ""}`, about: flag.help, open };
  });
  return { candidates, files: false };
}

const words = (list: readonly string[], about = ""): Completion => ({
  candidates: list.map((word) => ({ word, about })),
  files: false,
});

const found = (list: readonly Found[]): Completion => ({ candidates: list, files: false });

/** The values of a flag; of a list, behind those that are there already. */
async function values(flag: Flag, current: string, line: Line): Promise<Completion> {
  const comma = flag.kind === "list" ? current.lastIndexOf(",") + 1 : 0;
  const one = await value(flag, line);
  if (comma === 0) return one;
  const before = current.slice(0, comma);
  const candidates = one.candidates.map((each) => ({ ...each, word: before + each.word }));
  return { candidates, files: false };
}

async function value(flag: Flag, line: Line): Promise<Completion> {
  if (flag.oneOf !== undefined) return words(flag.oneOf);
  if (flag.name === "app") return found(appsOf(line.dir, line.args[0]));
  if (flag.name === "net") return found(await networkNames(line.localConfig));
  if (flag.name === "insecure-options") {
    return words(flag.help.split(": ").at(-1)?.split(", ") ?? []);
  }
  if (flag.name.startsWith("caps-")) return words(CAPABILITIES);
  if (flag.kind === "switch") return words(["true", "false"]);
  return /FILE|DIR/.test(flag.value ?? "") ? FILES : NOTHING;
}

/** The states of pods that a command is for; absent: all. */
const STATES: Readonly<Record<string, readonly string[]>> = {
  "run-prepared": ["prepared"],
  "stop": ["running"],
  "enter": ["running"],
  "attach": ["running"],
  "rm": ["prepared", "exited", "exited garbage", "aborted prepare", "garbage"],
  "export": ["exited", "exited garbage"],
  "app add": ["running"],
  "app start": ["running"],
  "app stop": ["running"],
  "app rm": ["running"],
  "app exec": ["running"],
};

/** An argument, by what the usage says stands there. */
async function argument(
  command: Command,
  { args, dir }: Line,
  commands: readonly Command[],
): Promise<Completion> {
  const places = command.usage.replace(/\[flags\]|\[app flags\]|\[pod flags\]|--\S+/g, "")
    .replace(/\[-- .*$/, "").split(/\s+/).filter((place) => /^\[?[A-Za-z|.:]+\]?$/.test(place));
  const repeated = command.grammar === "apps" || places.at(-1) === "...";
  const named = places.filter((place) => place !== "...");
  const place = named[args.length] ?? (repeated ? named.at(-1) : undefined) ?? "";
  if (command.name === "help") return commandWords(args, commands);
  if (place.startsWith("UUID")) {
    const suffix = place.endsWith(":PATH") ? ":" : "";
    const pods = podsIn(dir, STATES[command.name]).filter(({ word }) => !args.includes(word));
    return {
      candidates: pods.map((pod) => ({ ...pod, word: pod.word + suffix, open: suffix !== "" })),
      files: suffix !== "",
    };
  }
  if (place.startsWith("IMAGE")) {
    const local = !["image rm", "image export", "image cat-manifest"].includes(command.name);
    return { candidates: await imageNames(dir), files: local };
  }
  if (/^[a-z]+(\|[a-z]+)+$/.test(place)) return words(place.split("|"));
  return /FILE|DIR|PATH|KEY|ROOTFS/.test(place) ? FILES : NOTHING;
}
