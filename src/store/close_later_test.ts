import assert from "node:assert/strict";
import { closeLater } from "./close_later.ts";
import { closeDescriptor, lockExclusive, openToLock, tryLockExclusive } from "../linux/lock.ts";

/** Within so many milliseconds the kernel has let go of a file; it takes a few. */
const DEADLINE_MS = 20_000;

Deno.test("closeLater() lets go of files, of which this process holds nothing at once", async () => {
  const path = Deno.makeTempFileSync();
  const [held, probe] = [openToLock(path), openToLock(path)];
  try {
    Deno.removeSync(path);
    lockExclusive(held, path);
    assert.equal(tryLockExclusive(probe, path), false);
    closeLater([held]);
    assert.throws(() => Deno.readLinkSync(`/proc/self/fd/${held}`), Deno.errors.NotFound);
    const end = Date.now() + DEADLINE_MS;
    while (!tryLockExclusive(probe, path)) {
      assert.ok(Date.now() < end, "the file is still held");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    closeDescriptor(probe);
  }
});

Deno.test("closeLater() of nothing makes nothing", () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  closeLater([]);
  assert.equal(open(), before);
});
