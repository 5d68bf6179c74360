import assert from "node:assert/strict";
import { closeDescriptor, lockExclusive, openDirectory } from "./lock.ts";
import { RawDirectory } from "./raw_directory.ts";

Deno.test("RawDirectory reads files of any size, and knows which are missing", () => {
  const path = Deno.makeTempDirSync({ prefix: "rkt-raw-" });
  Deno.mkdirSync(`${path}/below`);
  // As large as its buffer, a little less and a little more, and empty.
  const texts = [0, 1, 65535, 65536, 65537, 300_000].map((size) => "é".repeat(size / 2) + "x");
  for (const [i, text] of texts.entries()) Deno.writeTextFileSync(`${path}/below/${i}`, text);
  Deno.symlinkSync("below/1", `${path}/link`);
  Deno.utimeSync(`${path}/below/1`, 0, 1234.5);
  {
    using files = new RawDirectory(path);
    assert.ok(files.exists);
    for (const [i, text] of texts.entries()) assert.equal(files.text(`below/${i}`), text);
    assert.deepEqual(files.bytes("below/1"), new TextEncoder().encode("x"));
    assert.equal(files.modified("below/1"), 1_234_500);
    const { changed, modified } = files.times("") ?? {};
    assert.equal(Math.floor((modified ?? 0) / 1000), Math.floor((changed ?? 1e6) / 1000));
    assert.deepEqual([files.text("none"), files.changed("below/1/none")], [undefined, undefined]);
    assert.throws(() => files.text("link"), /symbolic link/);
    assert.throws(() => files.text("below"), /is a directory/);
    assert.throws(() => files.text("x".repeat(5000)), /too long/);
  }
  {
    using none = new RawDirectory(`${path}/none`);
    assert.deepEqual([none.exists, none.text("x"), none.times("")], [false, undefined, undefined]);
  }
  Deno.removeSync(path, { recursive: true });
});

Deno.test("RawDirectory tells whether a directory is locked, and leaves it unlocked", () => {
  const path = Deno.makeTempDirSync({ prefix: "rkt-raw-" });
  using files = new RawDirectory(path);
  assert.equal(files.locked, false);
  const fd = openDirectory(path);
  lockExclusive(fd, path); // It would wait for a lock that was left.
  assert.equal(files.locked, true);
  closeDescriptor(fd);
  assert.equal(files.locked, false);
  Deno.removeSync(path, { recursive: true });
});
