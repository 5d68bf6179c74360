/**
 * The table of planted faults: files in scripts/mutants/faults, one a room.
 *
 * A fault is a block of lines, and blocks are parted by empty lines:
 *
 *     file: src/pod/life/stop_pod.ts
 *     test: src/pod/life/stop_pod_test.ts | signalPod
 *     lost: the signal reaches whoever has the number now
 *     - if (!held) return false;
 *     + if (false) return false;
 *
 * `file` is what the fault is planted in; `test` the file that must notice it, behind a bar what `deno test --filter` gets:
 * both hold for the blocks below, too, until they are said anew. `built` in place of `test` says that the test needs the
 * built program, because rkt that runs from its sources keeps no starts and has no launcher. `-` is the exact text that is found once in the file, of one
 * line or several, and `+` what takes its place. A line that begins with # is a comment.
 */

/** A test that must fail where the fault is planted. */
export interface Noticer {
  /** A file of tests, from the root of the repository. */
  readonly path: string;
  /** Only the tests with this in their names. */
  readonly filter?: string;
  /** It needs the built program; others run rkt from its sources, which takes a build less. */
  readonly built?: true;
}

/** A fault, and what must notice it. */
export interface Fault {
  /** Where it stands: file and line of the table. */
  readonly where: string;
  /** What it is planted in, from the root of the repository. */
  readonly file: string;
  /** What is lost by it, in a few words. */
  readonly loss: string;
  readonly find: string;
  readonly replacement: string;
  readonly noticer: Noticer;
}

/** What is wrong with a table: the place, and what to do. */
export class TableError extends Error {
  override readonly name = "TableError";
}

function noticerOf(text: string, built: boolean): Noticer {
  const [path = "", filter] = text.split(" | ");
  return { path, ...filter === undefined ? {} : { filter }, ...built && { built } };
}

/** The lines of a block by the word that they begin with. */
interface Block {
  readonly where: string;
  readonly words: ReadonlyMap<string, string>;
  readonly find: readonly string[];
  readonly replacement: readonly string[];
}

function readBlock(where: string, lines: readonly string[]): Block {
  const words = new Map<string, string>();
  const find: string[] = [];
  const replacement: string[] = [];
  for (const line of lines) {
    const [, word, text = ""] = /^(file:|test:|built:|lost:|[-+])(?: (.*))?$/.exec(line) ?? [];
    if (word === undefined) throw new TableError(`${where}: no line of a fault: ${line}`);
    if (word === "-") find.push(text);
    else if (word === "+") replacement.push(text);
    else words.set(word, text);
  }
  return { where, words, find, replacement };
}

/**
 * Reads the faults of a file.
 *
 * @throws TableError where a block lacks something
 */
export function readFaults(name: string, text: string): readonly Fault[] {
  const faults: Fault[] = [];
  let file: string | undefined;
  let noticer: Noticer | undefined;
  for (const { 0: block, index } of text.matchAll(/(?:.+\n?)+/g)) {
    const where = `${name}:${text.slice(0, index).split("\n").length}`;
    const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    if (lines.length === 0) continue;
    const { words, find, replacement } = readBlock(where, lines);
    file = words.get("file:") ?? file;
    const [test, built] = [words.get("test:"), words.get("built:")];
    const named = test ?? built;
    if (named !== undefined) noticer = noticerOf(named, built !== undefined);
    const loss = words.get("lost:");
    if (find.length === 0 && loss === undefined) continue;
    if (file === undefined || noticer === undefined || loss === undefined || find.length === 0) {
      throw new TableError(`${where}: a fault has file, test, lost and the text that is found`);
    }
    faults.push({
      where,
      file,
      loss,
      find: find.join("\n"),
      replacement: replacement.join("\n"),
      noticer,
    });
  }
  return faults;
}

/**
 * The text of a file with the fault in it.
 *
 * @throws TableError where what is to be replaced is not there, or more than once
 */
export function planted(fault: Fault, text: string): string {
  const at = text.indexOf(fault.find);
  const problem = at < 0
    ? "has no longer"
    : text.indexOf(fault.find, at + 1) >= 0
    ? "has more than once"
    : undefined;
  if (problem !== undefined) {
    throw new TableError(`${fault.where}: ${fault.file} ${problem}: ${fault.find}`);
  }
  return text.slice(0, at) + fault.replacement + text.slice(at + fault.find.length);
}

const FAULTS = new URL("faults/", import.meta.url);

/** All faults, in the order of the names of their files. */
export function allFaults(): readonly Fault[] {
  const names = [...Deno.readDirSync(FAULTS)].map(({ name }) => name).sort();
  return names.flatMap((name) => readFaults(name, Deno.readTextFileSync(new URL(name, FAULTS))));
}
