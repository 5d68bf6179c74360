import assert from "node:assert/strict";
import { ERRNO, errnoName, errnoText, LAST_ERRNO } from "./errno.ts";
import { errnoNumber } from "./errno_number.ts";
import { unlessAgain } from "./syscall.ts";

/** The kernel's own list, as linux-libc-dev has it: names by number, without second names (`EWOULDBLOCK`). */
function kernelErrors(): Map<number, string> {
  const files = ["errno-base.h", "errno.h"];
  const text = files.map((name) => Deno.readTextFileSync(`/usr/include/asm-generic/${name}`));
  const found = text.join("\n").matchAll(/^#define\s+(E[A-Z0-9]+)\s+(\d+)\b/gm);
  return new Map(Array.from(found, ([, name = "", number]) => [Number(number), name]));
}

const KERNEL = kernelErrors();

Deno.test("the kernel's list of errors was read", () => {
  assert.ok(KERNEL.size >= 130, `${KERNEL.size}`);
  assert.equal(KERNEL.get(2), "ENOENT");
});

Deno.test("LAST_ERRNO is the kernel's last one", () => {
  assert.equal(LAST_ERRNO, Math.max(...KERNEL.keys()));
});

Deno.test("an error number has the kernel's name, or its number stands for it", () => {
  let named = 0;
  for (let number = 1; number <= LAST_ERRNO; number++) {
    const name = errnoName(number);
    if (name === `errno ${number}`) continue;
    assert.equal(name, KERNEL.get(number), `${number}`);
    assert.match(errnoText(number), new RegExp(`^${name} \\([^()]+\\)$`));
    named++;
  }
  assert.ok(named >= 68, `${named} have a name`);
});

Deno.test("the numbers that code compares with are the kernel's", () => {
  for (const [name, number] of Object.entries(ERRNO)) assert.equal(name, KERNEL.get(number));
});

Deno.test("errnoNumber() knows every name of the kernel's", () => {
  for (const [number, name] of KERNEL) assert.equal(errnoNumber(name), number, name);
});

Deno.test("an EAGAIN that a call about paths never means is asked again, some times", () => {
  const answers = (...all: number[]) => {
    let asked = 0;
    const result = unlessAgain(() => all[Math.min(asked++, all.length - 1)] ?? 0);
    return [result, asked];
  };
  assert.deepEqual(answers(3), [3, 1]);
  assert.deepEqual(answers(-ERRNO.ENOENT), [-ERRNO.ENOENT, 1]);
  assert.deepEqual(answers(-11, -11, -ERRNO.ENOENT), [-ERRNO.ENOENT, 3]);
  assert.deepEqual(answers(-11), [-11, 9]);
});
