import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import { DetachKeys, parseAttachMode, stage1AttachWords } from "./attach_mode.ts";

const STREAMS = ["stdin", "stdout", "stderr"] as const;

Deno.test("parseAttachMode() knows rkt's modes", () => {
  const tty = ["tty"] as const;
  const cases = [
    ["auto", tty, { input: "tty", outputs: ["tty"] }],
    ["auto", STREAMS, { input: "stdin", outputs: ["stdout", "stderr"] }],
    ["auto", ["stderr"], { outputs: ["stderr"] }],
    ["tty", tty, { input: "tty", outputs: ["tty"] }],
    ["tty-in", tty, { input: "tty", outputs: [] }],
    ["tty-out", tty, { outputs: ["tty"] }],
    ["stderr,stdin", STREAMS, { input: "stdin", outputs: ["stderr"] }],
  ] as const;
  for (const [mode, there, expected] of cases) {
    assert.deepEqual(parseAttachMode(mode, "app", there), expected);
  }
});

Deno.test("parseAttachMode() says what is missing", () => {
  const refused = (mode: string, there: Parameters<typeof parseAttachMode>[2], why: RegExp) =>
    assert.throws(
      () => parseAttachMode(mode, "app", there),
      (error) => error instanceof Failure && why.test(error.message),
    );
  refused("auto", [], /nothing to attach to; .* being tty or stream/);
  refused("tty-in", STREAMS, /app "app" has no tty to attach to, but stdin, stdout, stderr/);
  refused("stdin", ["tty"], /app "app" has no stdin to attach to, but tty/);
  refused("", STREAMS, /--mode: "" is not auto/);
  refused("stdout,", STREAMS, /--mode: "" is not auto/);
});

/** What comes through, chunk after chunk; `null` where the user has detached. */
function passed(...chunks: readonly string[]): (string | null)[] {
  const keys = new DetachKeys();
  return chunks.map((chunk) => {
    const bytes = keys.pass(new TextEncoder().encode(chunk));
    return bytes === undefined ? null : new TextDecoder().decode(bytes);
  });
}

Deno.test("DetachKeys finds Ctrl-P Ctrl-Q, however they come, and passes all else on", () => {
  assert.deepEqual(passed("ab", "\x11c"), ["ab", "\x11c"]);
  assert.deepEqual(passed("a\x10\x11"), [null]);
  assert.deepEqual(passed("a\x10", "\x11"), ["a", null]);
  assert.deepEqual(passed("a\x10", "b"), ["a", "\x10b"]);
  assert.deepEqual(passed("\x10\x10", "\x11"), ["\x10", null]);
});

Deno.test("stage1AttachWords() says of each stream whether it is asked for", () => {
  const custom = (...on: string[]) => [
    "--action=custom-attach",
    ...["tty-in", "tty-out", "stdin", "stdout", "stderr"].map((each) =>
      `--${each}=${on.includes(each)}`
    ),
  ];
  const cases = [
    ["auto", ["--action=auto-attach"]],
    ["list", ["--action=list"]],
    ["tty", custom("tty-in", "tty-out")],
    ["tty-in", custom("tty-in")],
    ["stderr,stdin", custom("stdin", "stderr")],
  ] as const;
  for (const [mode, words] of cases) assert.deepEqual(stage1AttachWords(mode), words);
  for (const [mode, why] of [["tty-in,stdin", /excludes/], ["x", /"x" is not auto/]] as const) {
    assert.throws(() => stage1AttachWords(mode), why);
  }
});
