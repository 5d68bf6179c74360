import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { errorLine } from "./error_line.ts";

Deno.test("errorLine() has the first error where the end of a `using` fails behind it", () => {
  const fail = (error: Error) => {
    using _resource = {
      [Symbol.dispose]() {
        throw new KernelError(ERRNO.EBUSY, "clean up");
      },
    };
    throw error;
  };
  for (const error of [new Failure("no such image"), new KernelError(ERRNO.ENOSPC, "write it")]) {
    try {
      fail(error);
      assert.fail();
    } catch (thrown) {
      assert.ok(thrown instanceof SuppressedError);
      assert.equal(errorLine(thrown), error.message);
    }
  }
});

Deno.test("errorLine() calls what nobody expects a bug, and shows no control characters", () => {
  assert.match(
    errorLine(new TypeError("x is undefined")),
    /^this is a bug in rkt .*: x is undefined$/,
  );
  assert.equal(errorLine(new Failure("a\nb \x1b[31mc")), "a; b \ufffd[31mc");
});
