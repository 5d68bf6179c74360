/** Which tests failed, according to the output of `deno test`. */
import { runningTest } from "./run_deno.ts";

/** A test that failed. */
export interface FailedTest {
  /** Its file, from the root of the repository. */
  readonly file: string;
  /** Its name; empty where the file failed beside its tests: it can't be loaded, or its process was killed. */
  readonly name: string;
  /** The first lines of what is wrong, as one line. */
  readonly message: string;
}

/** So many lines of a message are enough to know what it is about. */
const LINES = 3;

// deno-lint-ignore no-control-regex -- colors
const plain = (output: string): string => output.replaceAll(/\x1b\[[\d;]*m/g, "");

const withoutDot = (path: string): string => path.replace(/^\.\//, "");

/**
 * The lines without what tests have printed themselves, which may look like anything, and without the remarks on tests that take
 * long: they stand between a test's name and its result.
 */
function ownLines(output: string): readonly string[] {
  const printed = /^-+ (?:post-test )?output -+\n[^]*?^-+ (?:post-test )?output end -+\n/gm;
  const remark = /(?<= \.\.\.|^)'[^\n]*' has been running for over \([\dhms]+\)\n/gm;
  return plain(output).replaceAll(printed, "").replaceAll(remark, "").split("\n");
}

/** The first lines of an error below its title: without its stack, and the line of the source that it shows. */
function firstLines(lines: readonly string[]): string {
  const ends = [
    lines.findIndex((line) => /^ {4}at /.test(line) || line === " FAILURES "),
    lines.findIndex((line) => /^ *\^+$/.test(line)) - 1,
  ].filter((end) => end >= 0);
  const text = lines.slice(0, Math.min(...ends, lines.length)).map((line) => line.trim())
    .filter((line) => line !== "");
  return text.slice(0, LINES).join(" | ").replace(/^error: /, "");
}

/** The messages below ERRORS, which stand in the order in which the tests have failed: a test with several steps has several. */
class Messages {
  readonly #lines: readonly string[];
  #at: number;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
    this.#at = lines.lastIndexOf(" ERRORS ") + 1;
  }

  /** The next one of this test's. */
  of(name: string): string {
    const isTitle = (line: string) =>
      [" => ", " ... "].some((end) => line.startsWith(`${name}${end}`)) && line.includes(" => ") ||
      line === name;
    const at = this.#at === 0
      ? -1
      : this.#lines.findIndex((line, i) => i >= this.#at && isTitle(line));
    if (at < 0) return "";
    this.#at = at + 1;
    return firstLines(this.#lines.slice(at + 1, at + 40));
  }
}

/**
 * The tests that failed, each once.
 *
 * @param file what has failed where the output names no test, like that of a process that was killed
 */
export function failedTests(output: string, file: string): readonly FailedTest[] {
  const lines = ownLines(output);
  const messages = new Messages(lines);
  const failed: FailedTest[] = [];
  let current = file;
  for (const line of lines) {
    current = /^running \d+ tests? from (\S+)$/.exec(line)?.[1] ?? current;
    const name = /^(\S.*) \.\.\. FAILED(?: \(.*\))?$/.exec(line)?.[1];
    const unloaded = /^Uncaught error from (\S+) FAILED$/.exec(line)?.[1];
    if (unloaded !== undefined) {
      const message = messages.of(`${unloaded} (uncaught error)`);
      failed.push({ file: withoutDot(unloaded), name: "", message });
    } else if (name !== undefined) {
      failed.push({ file: withoutDot(current), name, message: messages.of(name) });
    }
  }
  return failed;
}

/** What has failed where a process ended without saying how many tests did: it took too long, or was killed. */
export function failedFile(output: string, file: string): FailedTest {
  const last = plain(output).trimEnd().split("\n").at(-1) ?? "";
  const message = last === "" ? "it ended without a word" : last;
  return { file, name: runningTest(output) ?? "", message };
}

/** How many tests of each file ran. */
export function testsOfFiles(output: string): ReadonlyMap<string, number> {
  const found = ownLines(output).join("\n").matchAll(/^running (\d+) tests? from (\S+)$/gm);
  return new Map(Array.from(found, ([, count, path = ""]) => [withoutDot(path), Number(count)]));
}
