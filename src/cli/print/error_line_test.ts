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

Deno.test("errorLine() has one wording for errors of the runtime", () => {
  const thrown = (act: () => void) => {
    try {
      act();
    } catch (error) {
      return errorLine(error);
    }
    return "nothing";
  };
  assert.equal(thrown(() => Deno.readTextFileSync("/none")), "'/none': no such file or directory");
  assert.equal(thrown(() => Deno.readTextFileSync("/")), "'/': is a directory");
  assert.equal(
    thrown(() => Deno.mkdirSync("/none/none")),
    "'/none/none': no such file or directory",
  );
  const inside =
    "image x: --ca-file /none: No such file or directory (os error 2): readfile '/none'; look";
  assert.equal(
    errorLine(new Failure(inside)),
    "image x: --ca-file /none: '/none': no such file or directory; look",
  );
});

Deno.test("errorLine() takes every error of a system call for one, also where the runtime has no name for it", () => {
  assert.equal(errorLine(new Error("File too large (os error 27)")), "file too large");
  assert.equal(errorLine(new Error("Disk quota exceeded (os error 122)")), "disk quota exceeded");
});

Deno.test("errorLine() calls what nobody expects a bug, and shows no control characters", () => {
  assert.match(
    errorLine(new TypeError("x is undefined")),
    /^this is a bug in rkt .*: x is undefined$/,
  );
  assert.equal(errorLine(new Failure("a\nb \x1b[31mc")), "a; b \ufffd[31mc");
});
