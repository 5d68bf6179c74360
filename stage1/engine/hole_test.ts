import assert from "node:assert/strict";
import { assemble } from "./assemble.ts";
import { executable, executableHoles } from "./elf.ts";
import { bytesHole, fillHoles, type HoleName, textHole, userHole, withoutHoles } from "./hole.ts";
import { interpret } from "./testing/interpret.ts";
import { mutableStruct, type Plan, Section, slot, struct, vector } from "./plan.ts";
import { print } from "./print.ts";
import { verify } from "./verify.ts";

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
const text = (value: string) => new TextEncoder().encode(value);

/** A plan with each kind of hole, and the same one with values. */
function plan(open: boolean): Plan {
  const uuid = open ? textHole("uuid", 36) : UUID;
  const digits = open ? textHole("digits", 5) : "65536";
  const file = open ? textHole("file 7", 9) : "/run/addr";
  const user = open ? userHole(33) : 65536 + 33;
  const message = open ? bytesHole("message 2") : text("a message");
  const s = new Section();
  s.must("make the ä directory", "mkdirat", [-100, `/ä/${uuid}/${digits}:65536`, 0o700]);
  s.must("give it", "fchownat", [-100, "/plain", user, user, 0]);
  s.attempt("remove it", "unlinkat", [-100, file, 0]);
  const kept = mutableStruct("kept", ["uid", 4, user], ["text", 8, `of ${uuid}`]);
  const sent = struct("message", ["bytes", 9, message], ["user", 8, user]);
  const written = slot("written");
  s.must("send it", "sendto", [3, sent, 9, 0, kept, 16], { store: written });
  s.must("become it", "execve", ["/program", vector([`run ${uuid}`, file]), vector([])]);
  return { setup: s.items, resident: [] };
}

const VALUES = new Map<HoleName, Uint8Array>([
  ["uuid", text(UUID)],
  ["digits", text("65536")],
  ["users", new Uint8Array([1, 0])],
  ["file 7", text("/run/addr")],
  ["message 2", text("a message")],
]);

for (const architecture of ["x86_64", "aarch64"] as const) {
  Deno.test(`a program whose holes are filled is the one that was made with the values: ${architecture}`, () => {
    const layout = assemble(plan(true), architecture);
    const program = executable(layout, architecture);
    const before = program.slice();
    fillHoles(program, executableHoles(layout, architecture), VALUES);
    assert.notDeepEqual(program, before);
    assert.deepEqual(program, executable(assemble(plan(false), architecture), architecture));
  });
}

Deno.test("a value that is missing, or has another size, is no start", () => {
  const layout = assemble(plan(true), "x86_64");
  const program = executable(layout, "x86_64");
  const holes = executableHoles(layout, "x86_64");
  const { uuid: _, ...others } = Object.fromEntries(VALUES);
  const missing = new Map(Object.entries(others)) as unknown as typeof VALUES;
  assert.throws(() => fillHoles(program, holes, missing), /uuid does not fit into its 36 bytes/);
  const long = new Map(VALUES).set("digits", text("655360"));
  assert.throws(() => fillHoles(program, holes, long), /digits does not fit/);
});

Deno.test("a plan with holes is verified, and printed with their names", () => {
  assert.deepEqual(verify(plan(true)), []);
  const lines = print(plan(true)).join("\n");
  assert.match(lines, /mkdirat\(AT_FDCWD, "\/ä\/<uuid>\/<digits>:65536"/);
  assert.match(lines, /<users>\+33/);
  assert.match(lines, /"<file 7>"/);
  assert.ok(!lines.includes("\0"));
});

Deno.test("a NUL that is no hole's is refused as ever", () => {
  for (const wrong of ["a\0b", "\0", `${textHole("uuid", 36)}x\0`]) {
    const s = new Section();
    s.must("make it", "mkdirat", [-100, wrong, 0]);
    s.attempt("end", "exit_group", [0]);
    if (withoutHoles(wrong).includes("\0")) {
      assert.throws(() => assemble({ setup: s.items, resident: [] }, "x86_64"), /end at its NUL/);
    }
  }
});

Deno.test("the interpreter sees the part of a user's number that is the same in all pods", () => {
  const owners: unknown[] = [];
  interpret(plan(true), (call, args) => {
    if (call === "fchownat") owners.push(args[2], args[3]);
    return call === "execve" ? -2 : 0;
  });
  assert.deepEqual(owners, [33, 33]);
});
