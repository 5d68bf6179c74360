import assert from "node:assert/strict";
import { readAci } from "./aci_reader.ts";
import { ArchiveError } from "./bytes/archive_error.ts";
import { bytesSource } from "./bytes/source.ts";
import { MAX_MANIFEST } from "./structure.ts";
import {
  archive,
  directory,
  entry,
  hardlink,
  image,
  manifest,
  symlink,
} from "./testing/archive_fixture.ts";

const read = (bytes: Uint8Array<ArrayBuffer>) => readAci(bytesSource("test", bytes));

const ROOT = directory("rootfs");

const REFUSED: readonly (readonly [what: string, bytes: Uint8Array<ArrayBuffer>, why: RegExp])[] = [
  ["a name with ..", image(entry({ path: "rootfs/../etc/passwd" })), /has `\.\.` in its name/],
  ["an absolute name", image(entry({ path: "/rootfs/x" })), /has an absolute name/],
  [
    "a name twice",
    image(entry({ path: "rootfs/x" }), entry({ path: "rootfs/x" })),
    /is in the archive twice/,
  ],
  [
    "a name twice, in two spellings",
    image(entry({ path: "rootfs/x" }), entry({ path: "./rootfs//x" })),
    /is in the archive twice/,
  ],
  [
    "a hardlink to the manifest",
    image(hardlink("rootfs/x", "manifest")),
    /is a hardlink to "manifest", which is outside/,
  ],
  [
    "a hardlink with ..",
    image(hardlink("rootfs/x", "rootfs/../manifest")),
    /has `\.\.` in its target/,
  ],
  ["a hardlink to itself", image(hardlink("rootfs/x", "rootfs/x")), /is a hardlink to itself/],
  [
    "an entry below a link",
    image(symlink("rootfs/etc", "/etc"), entry({ path: "rootfs/etc/passwd" })),
    /is below "rootfs\/etc", which is no directory/,
  ],
  [
    "a link where entries are below it",
    image(entry({ path: "rootfs/etc/passwd" }), symlink("rootfs/etc", "/etc")),
    /is a symlink, but entries before it are below it/,
  ],
  [
    "a manifest that is a link",
    archive(symlink("manifest", "rootfs/m"), ROOT),
    /is a symlink; it has to be a file/,
  ],
  ["a rootfs that is a link", archive(manifest(), symlink("rootfs", "/")), /has to be a directory/],
  ["something beside manifest and rootfs", image(entry({ path: "else" })), /nothing else may be/],
  [
    "a manifest that is too large",
    archive(entry({ path: "manifest" }, " ".repeat(MAX_MANIFEST + 1)), ROOT),
    /has \d+ bytes; at most/,
  ],
  ["no manifest", archive(ROOT), /it has no `manifest`/],
  ["no rootfs", archive(manifest()), /it has no `rootfs`/],
];

for (const [what, bytes, why] of REFUSED) {
  Deno.test(`an image is refused that has ${what}`, async () => {
    await assert.rejects(
      read(bytes),
      (error) => error instanceof ArchiveError && why.test(error.message),
    );
  });
}

Deno.test("an image may have its names in other spellings, and links that lead anywhere", async () => {
  const bytes = image(
    directory("./rootfs/etc/"),
    symlink("rootfs/etc/up", "../../../../etc/passwd"),
    entry({ path: "./rootfs/bin//app" }, "x"),
    hardlink("rootfs/bin/other", "./rootfs/bin/app"),
  );
  assert.match((await read(bytes)).imageId, /^sha512-/);
});
