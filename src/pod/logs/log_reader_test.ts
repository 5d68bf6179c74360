import assert from "node:assert/strict";
import { harmless, LogLines } from "./log_lines.ts";
import { LogReader, merged } from "./log_reader.ts";
import { compareTimes, parseRecord, recordTime } from "./log_records.ts";

/** A record as stage1/output/logger.ts writes it. */
function record(seconds: number, text: string, stream = 1): Uint8Array<ArrayBuffer> {
  const content = new TextEncoder().encode(text);
  const bytes = new Uint8Array(24 + content.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(seconds), true);
  view.setBigUint64(8, 1_002_003n, true);
  view.setUint32(16, content.length, true);
  view.setUint32(20, stream, true);
  bytes.set(content, 24);
  return bytes;
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** A pod's directory with logs. */
class Logs implements Disposable {
  readonly path = Deno.makeTempDirSync();

  constructor(files: Readonly<Record<string, Uint8Array>>) {
    Deno.mkdirSync(`${this.path}/logs`);
    for (const [name, bytes] of Object.entries(files)) this.write(name, bytes);
  }

  write(name: string, bytes: Uint8Array, append = false): void {
    Deno.writeFileSync(`${this.path}/logs/${name}`, bytes, { append });
  }

  rotate(name: string): void {
    Deno.renameSync(`${this.path}/logs/${name}`, `${this.path}/logs/${name}.1`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const texts = (reader: LogReader): string[] =>
  [...reader.records()].map(({ content }) => new TextDecoder().decode(content));

Deno.test("a log that is cut at any byte gives its whole records, and the rest when it is there", () => {
  const whole = joined(record(1, "one"), record(2, "two", 3));
  for (let cut = 0; cut <= whole.length; cut++) {
    using logs = new Logs({ app: whole.subarray(0, cut) });
    using reader = new LogReader(logs.path, "app");
    const count = cut < 27 ? 0 : cut < 54 ? 1 : 2;
    assert.deepEqual(texts(reader), ["one", "two"].slice(0, count));
    logs.write("app", whole);
    assert.deepEqual(texts(reader), ["one", "two"].slice(count));
  }
});

Deno.test("bytes that are no record end a log", () => {
  for (const [at, value] of [[12, 0xff], [16, 0], [18, 0xff], [20, 0], [20, 4]] as const) {
    const broken = record(1, "x");
    broken[at] = value;
    if (at === 12) broken[11] = 0xff;
    assert.equal(parseRecord(broken), undefined, `${at}`);
  }
});

Deno.test("LogReader reads the older file first, and goes on when the log is rotated under it", () => {
  using logs = new Logs({ "app.1": record(1, "older"), app: record(2, "first") });
  using reader = new LogReader(logs.path, "app");
  assert.deepEqual(texts(reader), ["older", "first"]);
  logs.write("app", record(3, "second"), true);
  logs.rotate("app");
  assert.deepEqual(texts(reader), ["second"]);
  logs.write("app", record(4, "third"));
  assert.deepEqual(texts(reader), ["third"]);
  assert.deepEqual(texts(reader), []);
});

Deno.test("LogReader waits for a log that is not there yet", () => {
  using logs = new Logs({});
  using reader = new LogReader(logs.path, "app");
  assert.deepEqual(texts(reader), []);
  logs.write("app", record(1, "begun"));
  assert.deepEqual(texts(reader), ["begun"]);
});

Deno.test("merged() gives records of several apps in the order of their times", () => {
  using logs = new Logs({
    a: joined(record(1, "1"), record(4, "4")),
    b: joined(record(2, "2"), record(3, "3"), record(5, "5")),
  });
  using a = new LogReader(logs.path, "a");
  using b = new LogReader(logs.path, "b");
  const all = [...merged([a, b])].map(({ app, record: { seconds } }) => `${app}${seconds}`);
  assert.deepEqual(all, ["a1", "b2", "b3", "a4", "b5"]);
});

Deno.test("times have nine digits behind the second, and an order", () => {
  const [one, two] = [1, 2].map((seconds) => parseRecord(record(seconds, "x")));
  assert.ok(one !== undefined && two !== undefined);
  assert.equal(recordTime(one), "1970-01-01T00:00:01.001002003Z");
  assert.ok(compareTimes(one, two) < 0 && compareTimes(two, one) > 0);
  assert.equal(compareTimes(one, one), 0);
});

/** The lines of records, each with its stream. */
function lines(...records: readonly Uint8Array<ArrayBuffer>[]): string[] {
  const all = new LogLines();
  const found = records.flatMap((bytes) => {
    const parsed = parseRecord(bytes);
    return parsed === undefined ? [] : [...all.add("app", parsed)];
  });
  return [...found, ...all.rest()].map(({ record: { seconds, stream }, bytes }) =>
    `${seconds} ${stream} ${new TextDecoder().decode(bytes)}`
  );
}

Deno.test("LogLines puts the lines of each stream together, with the time of their beginnings", () => {
  assert.deepEqual(lines(record(1, "a\nb"), record(2, "error\n", 2), record(3, "c\n\nd")), [
    "1 stdout a",
    "2 stderr error",
    "1 stdout bc",
    "3 stdout ",
    "3 stdout d",
  ]);
});

Deno.test("LogLines cuts a line that never ends", () => {
  const long = lines(...Array.from({ length: 40 }, (_, i) => record(i, "x".repeat(4000))));
  assert.ok(long.length > 1 && long.every((line) => line.length < 100_000), `${long.length}`);
  assert.equal(long.reduce((sum, line) => sum + (line.split(" ")[2] ?? "").length, 0), 160_000);
});

Deno.test("harmless() leaves colours and tabs, and shows what would do something", () => {
  const cases = [
    ["plain\ttext äö", "plain\ttext äö"],
    ["\u001b[1;31mred\u001b[0m", "\u001b[1;31mred\u001b[0m"],
    ["\u001b[31mred", "\u001b[31mred\u001b[0m"],
    ["\u001b[0;31mred", "\u001b[0;31mred\u001b[0m"],
    ["\u001b[31mred\u001b[mplain", "\u001b[31mred\u001b[mplain"],
    ["\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
    ["\u001b[2J\u001b[10A", "\\x1b[2J\\x1b[10A"],
    ["\u009b6n", "\\x9b6n"],
    ["over\rwritten", "over\\x0dwritten"],
    ["end\r", "end"],
    ["\u202egpj.exe", "\\u202egpj.exe"],
  ] as const;
  for (const [text, expected] of cases) assert.equal(harmless(text), expected);
});
