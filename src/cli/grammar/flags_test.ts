import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import { type Flag, flagsOf, flagTable, type RawFlags, readFlag } from "./flags.ts";

const FLAGS: readonly Flag[] = [
  { name: "full", kind: "switch", help: "" },
  { name: "pretty", kind: "switch", default: "true", help: "" },
  { name: "dir", kind: "text", default: "/d", help: "" },
  { name: "file", kind: "text", help: "", short: "f" },
  { name: "count", kind: "number", help: "" },
  { name: "grace", kind: "duration", default: "30m", help: "" },
  { name: "env", kind: "texts", help: "", aliases: ["environ"] },
  { name: "caps", kind: "list", help: "" },
  { name: "net", kind: "list", default: "default", bare: "default", help: "" },
  { name: "wait", kind: "wait", default: "false", help: "" },
  { name: "dry-run", kind: "mode", oneOf: ["addresses"], help: "" },
  { name: "format", kind: "text", oneOf: ["json", "text"], help: "" },
  { name: "mds", kind: "switch", help: "", unsupported: "it comes with the service" },
];
const TABLE = flagTable(FLAGS);

/** Reads flags until the end; what is no flag is an error. */
function read(...argv: string[]) {
  const raw: RawFlags = new Map();
  for (let index = 0; index < argv.length;) index = readFlag(argv, index, TABLE, () => raw);
  return flagsOf(TABLE, raw);
}

Deno.test("flags have their defaults where they are not given", () => {
  const flags = read();
  assert.equal(flags.on("full"), false);
  assert.equal(flags.on("pretty"), true);
  assert.equal(flags.text("dir"), "/d");
  assert.equal(flags.text("file"), undefined);
  assert.equal(flags.number("count"), undefined);
  assert.equal(flags.duration("grace"), 1_800_000);
  assert.deepEqual(flags.all("env"), []);
  assert.deepEqual(flags.all("net"), ["default"]);
  assert.equal(flags.wait("wait"), undefined);
  assert.equal(flags.isSet("dir"), false);
});

Deno.test("flags take their value behind = or as the next word", () => {
  const flags = read("--dir=/a=b", "--file", "--full", "--count=7", "--grace", "0s");
  assert.equal(flags.text("dir"), "/a=b");
  assert.equal(flags.text("file"), "--full");
  assert.equal(flags.number("count"), 7);
  assert.equal(flags.duration("grace"), 0);
  assert.equal(flags.isSet("dir"), true);
  assert.equal(read("-f", "x").text("file"), "x");
  assert.equal(read("-f=x").text("file"), "x");
});

Deno.test("switches need no value but take one behind =", () => {
  assert.equal(read("--full").on("full"), true);
  assert.equal(read("--full=false").on("full"), false);
  assert.equal(read("--pretty=0").on("pretty"), false);
  assert.equal(read("--full", "--full=F").on("full"), false);
});

Deno.test("repeatable flags collect, the others take the last value", () => {
  assert.deepEqual(read("--env=a=1,2", "--environ=b").all("env"), ["a=1,2", "b"]);
  assert.deepEqual(read("--caps=a,b", "--caps", "c").all("caps"), ["a", "b", "c"]);
  assert.equal(read("--dir=a", "--dir=b").text("dir"), "b");
});

Deno.test("a flag with a bare meaning leaves the next word alone", () => {
  const raw: RawFlags = new Map();
  assert.equal(readFlag(["--net", "x.aci"], 0, TABLE, () => raw), 1);
  assert.deepEqual(flagsOf(TABLE, raw).all("net"), ["default"]);
});

Deno.test("a wait flag is a switch or a duration", () => {
  assert.equal(read("--wait").wait("wait"), Infinity);
  assert.equal(read("--wait=true").wait("wait"), Infinity);
  assert.equal(read("--wait=false").wait("wait"), undefined);
  assert.equal(read("--wait=5s").wait("wait"), 5000);
});

Deno.test("a mode flag is a switch or one of its words", () => {
  assert.equal(read().mode("dry-run"), false);
  assert.equal(read("--dry-run").mode("dry-run"), true);
  assert.equal(read("--dry-run=false").mode("dry-run"), false);
  assert.equal(read("--dry-run=addresses").mode("dry-run"), "addresses");
  const raw: RawFlags = new Map();
  assert.equal(readFlag(["--dry-run", "addresses"], 0, TABLE, () => raw), 1);
});

const REFUSED: readonly (readonly [string, string])[] = [
  ["--ful", "unknown flag --ful; did you mean --full?"],
  ["--kubernetes", "unknown flag --kubernetes"],
  ["-full", "unknown flag -full"],
  ["--dir", "--dir needs a value"],
  ["--full=yes", '--full: "yes" is neither true nor false'],
  ["--count=-1", '--count: "-1" is not a whole number'],
  ["--grace=5", '--grace: "5" has no unit: 5s are 5 seconds'],
  ["--grace=-5s", '--grace: "-5s" is not a duration like 90s or 1h30m'],
  ["--wait=soon", '--wait: "soon" is not a duration like 90s or 1h30m'],
  ["--dry-run=maybe", '--dry-run: "maybe" is not one of addresses'],
  ["--format=yaml", '--format: "yaml" is not one of json, text'],
  ["--mds", "--mds: not yet: it comes with the service"],
];

for (const [word, message] of REFUSED) {
  Deno.test(`readFlag() refuses ${word}`, () => {
    assert.throws(() => read(word), { name: /^(Failure|UnknownWord)$/, message });
  });
}

Deno.test("a flag that comes later may be switched off", () => {
  assert.equal(read("--mds=false").on("mds"), false);
});

Deno.test("asking for a flag that the table lacks is a bug, not a Failure", () => {
  assert.throws(() => read().on("nope"), (error) => !(error instanceof Failure));
  assert.throws(() => read().on("dir"), (error) => !(error instanceof Failure));
});
