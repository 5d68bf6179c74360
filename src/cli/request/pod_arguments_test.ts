import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import { COMMANDS } from "../table/commands.ts";
import { findCommand, readInvocation } from "../grammar/command_line.ts";
import { podAndRest, podArguments } from "./pod_arguments.ts";

const invocation = (...words: string[]) => readInvocation(findCommand(words, COMMANDS));

/** Runs work with the path of a file of this text. */
function withFile(text: string, work: (path: string) => void): void {
  const path = Deno.makeTempFileSync({ prefix: "rkt-uuid-" });
  try {
    Deno.writeTextFileSync(path, text);
    work(path);
  } finally {
    Deno.removeSync(path);
  }
}

const refused = (work: () => unknown, message: RegExp, status: number) =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, message);
    assert.equal(error.exitCode, status);
    return true;
  });

Deno.test("podArguments() takes the pods of the command line, or the one of --uuid-file", () => {
  assert.deepEqual(podArguments(invocation("stop", "a", "b")), ["a", "b"]);
  withFile("  some-uuid\n", (path) => {
    assert.deepEqual(podArguments(invocation("stop", `--uuid-file=${path}`)), ["some-uuid"]);
    refused(
      () => podArguments(invocation("stop", `--uuid-file=${path}`, "a")),
      /either UUIDs or --uuid-file, not both/,
      254,
    );
  });
  refused(() => podArguments(invocation("stop")), /which pod\? `rkt stop /, 254);
});

Deno.test("podAndRest() has the pod of --uuid-file before the other arguments", () => {
  assert.deepEqual(podAndRest(invocation("enter", "a", "ls")), { uuid: "a", rest: ["ls"] });
  withFile("some-uuid", (path) => {
    assert.deepEqual(podAndRest(invocation("enter", `--uuid-file=${path}`, "ls")), {
      uuid: "some-uuid",
      rest: ["ls"],
    });
  });
});

Deno.test("a file without a UUID is refused with the exit status 1", () => {
  withFile(" \n", (path) => {
    refused(() => podArguments(invocation("stop", `--uuid-file=${path}`)), / is empty$/, 1);
  });
  const none = "/nonexistent/uuid";
  refused(() => podAndRest(invocation("enter", `--uuid-file=${none}`)), /no such file$/, 1);
  refused(() => podArguments(invocation("stop", "--uuid-file=/")), /directory/i, 1);
});
