import assert from "node:assert/strict";
import { interpret } from "../engine/testing/interpret.ts";
import { addressOf, type Field, mutableStruct, Section, slot } from "../engine/plan.ts";
import { COMMANDS, NO_COMMAND, readContainerWords, wordSlots } from "./container_words.ts";

/** A C string in front of other memory, as the kernel has it. */
const text = (word: string) =>
  mutableStruct("word", ["text", word.length + 16, new TextEncoder().encode(word)]);

/** What is read of some words; undefined where they are for the full way. */
function read(...words: string[]) {
  const s = new Section();
  const stack = slot("stack");
  const unused = slot("unused");
  const found = wordSlots();
  const memory = mutableStruct(
    "what the kernel leaves",
    ["argc", 8, words.length],
    ...words.map((word, i): Field => [`argv[${i}]`, 8, addressOf(text(word))]),
    ["end", 8, 0],
  );
  s.set(stack, memory);
  readContainerWords(s, { stack, envp: unused, auxv: unused }, found);
  s.attempt("say the name", "write", [1, found.id, 0]);
  s.when(found.root, 0, "no root");
  s.attempt("say the root", "write", [2, found.root, 0]);
  s.label("no root");
  s.attempt("read", "exit_group", [0]);
  s.label(NO_COMMAND);
  s.attempt("for the full way", "exit_group", [1]);
  const said = new Map<unknown, string>();
  const run = interpret({ setup: s.items, resident: [] }, (call, [fd, at], memory) => {
    if (call === "write") said.set(fd, memory.text(Number(at)));
    return 0;
  });
  if (run.end.kind !== "exit" || run.end.code !== 0) return undefined;
  const command = Object.entries(COMMANDS).find(([, number]) =>
    BigInt(number) === run.slot(found.command)
  );
  return [command?.[0], said.get(1), Number(run.slot(found.signal)), said.get(2)];
}

Deno.test("the words of engines are read, by either name of the runtime", () => {
  assert.deepEqual(read("rkt-oci", "state", "c"), ["state", "c", 15, undefined]);
  assert.deepEqual(read("/usr/bin/rkt-oci", "start", "c"), ["start", "c", 15, undefined]);
  assert.deepEqual(read("rkt", "oci", "delete", "c"), ["delete", "c", 15, undefined]);
  assert.deepEqual(read("./rkt", "oci", "delete", "--force", "c"), ["delete", "c", 15, undefined]);
  assert.deepEqual(
    read(
      ...["rkt-oci", "--root", "/r", "--log", "/l", "--log-format", "json", "--systemd-cgroup"],
      ...["kill", "c", "9"],
    ),
    ["kill", "c", 9, "/r"],
  );
  assert.deepEqual(
    read("rkt-oci", "--root=/a", "--debug", "--log=/l", "--root=/b", "kill", "c", "64"),
    ["kill", "c", 64, "/b"],
  );
});

Deno.test("signals have numbers, and names with SIG in front or without", () => {
  for (
    const [text, number] of [["TERM", 15], ["SIGKILL", 9], ["1", 1], ["34", 34], ["SIGHUP", 1]]
  ) {
    assert.deepEqual(read("rkt-oci", "kill", "c", `${text}`), ["kill", "c", number, undefined]);
  }
});

Deno.test("any other word is for the full way", () => {
  for (
    const words of [
      ["rkt"],
      ["rkt-oci"],
      ["oci", "state", "c"],
      ["xrkt-oc", "state", "c"],
      ["rkt", "ocix", "state", "c"],
      ["rkt", "state", "c"],
      ["rkt", "--debug", "oci", "state", "c"],
      ["rkt-oci", "state"],
      ["rkt-oci", "state", "c", "d"],
      ["rkt-oci", "state", "--help", "c"],
      ["rkt-oci", "statex", "c"],
      ["rkt-oci", "--help", "state", "c"],
      ["rkt-oci", "--rootless", "true", "state", "c"],
      ["rkt-oci", "--dry-run", "delete", "c"],
      ["rkt-oci", "--root"],
      ["rkt-oci", "start", "-x"],
      ["rkt-oci", "delete", "--force"],
      ["rkt-oci", "delete", "--force=false", "c"],
      ["rkt-oci", "delete", "c", "--force"],
      ["rkt-oci", "kill", "--all", "c"],
      ["rkt-oci", "kill", "c", "9", "9"],
      ...["0", "65", "009", "9x", "", "x", "SIG", "SIG9", "TERMx", "sigterm", "-9", "99999999999"]
        .map((signal) => ["rkt-oci", "kill", "c", signal]),
    ]
  ) assert.equal(read(...words), undefined, words.join(" "));
});
