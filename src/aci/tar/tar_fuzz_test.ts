import fc from "fast-check";
import assert from "node:assert/strict";
import { ArchiveError } from "../bytes/archive_error.ts";
import {
  altered,
  directory,
  entry,
  hardlink,
  image,
  joined,
  paxRecord,
  special,
  symlink,
} from "../testing/archive_fixture.ts";
import { StructureCheck } from "../structure.ts";
import { TarParser } from "./tar.ts";
import { BLOCK_SIZE, FIELD } from "./tar_field.ts";

/** Reads an archive like the reader does; what comes out has to be in order. */
function read(bytes: Uint8Array, step: number): void {
  const structure = new StructureCheck("fuzz");
  let left = 0;
  const parser = new TarParser("fuzz", {
    entry(raw) {
      const { path, mode, uid, gid, size, mtimeNs } = structure.entry(raw) ?? raw;
      assert.match(path, /^(?:manifest|rootfs(?:\/[^/\0]+)*)$/s);
      assert(!path.split("/").some((part) => part === "." || part === ".."));
      assert(mode >= 0 && mode <= 0o7777 && mtimeNs >= 0 && mtimeNs < 1e9);
      assert(uid >= 0 && uid < 2 ** 32 - 1 && gid >= 0 && gid < 2 ** 32 - 1);
      left = size;
      return true;
    },
    data(chunk, from, to, offset) {
      assert(from < to && to <= chunk.length && offset + to - from <= left);
    },
    end() {},
  });
  try {
    for (let at = 0; at < bytes.length; at += step) parser.push(bytes.subarray(at, at + step));
    parser.finish();
    structure.finish();
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    assert.match(error.message, /^fuzz: [^\n]+$/);
  }
}

const seed = image(
  directory("rootfs/d"),
  joined(
    special("x", paxRecord("mtime", "12.5") + paxRecord("uid", "7")),
    entry({ path: "rootfs/f" }, "x".repeat(600)),
  ),
  joined(special("L", "rootfs/d/long\0"), entry({ path: "x" })),
  joined(
    special("x", paxRecord("GNU.sparse.map", "3,2,9,1") + paxRecord("GNU.sparse.size", "20")),
    entry({ path: "rootfs/s" }, "abc"),
  ),
  symlink("rootfs/l", "d"),
  hardlink("rootfs/h", "rootfs/f"),
);

const text = (most: number) =>
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: most })
    .map((units) => String.fromCharCode(...units));

Deno.test("TarParser survives 10,000 archives with damaged bytes", () => {
  const change = fc.tuple(fc.nat(seed.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(2000), (changes, step) => {
      const bytes = seed.slice();
      for (const [at, value] of changes) bytes[at] = value;
      read(bytes, step + 1);
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("TarParser survives 10,000 headers with odd fields and right checksums", () => {
  const fields = fc.constantFrom(...Object.values(FIELD));
  const values = fc.oneof(
    text(20),
    fc.constantFrom(
      "7".repeat(12),
      "\x80" + "\xff".repeat(11),
      "\xff".repeat(12),
      "../../x",
      "/etc",
    ),
    fc.constantFrom(
      ..."01234567SxgLKMVDN\0",
      "rootfs/../..",
      "rootfs//.//x",
      "ustar  \0",
      "ustar\x0000",
    ),
  );
  const change = fc.tuple(fields, values);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(2000), (changes, step) => {
      const header = entry({ path: "rootfs/f", size: 700 }).subarray(0, BLOCK_SIZE);
      const data = new Uint8Array(1024).fill(0x31);
      read(image(joined(altered(header, changes), data)), step + 1);
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("TarParser survives 10,000 extended headers", () => {
  const keys = fc.constantFrom(
    ...["path", "linkpath", "size", "uid", "gid", "mtime", "SCHILY.xattr.user.x", "hdrcharset"],
    ...["GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.major"],
    ...["GNU.sparse.offset", "GNU.sparse.numbytes", "GNU.sparse.name", "__proto__"],
  );
  const values = fc.oneof(
    text(12),
    fc.nat(2000).map(String),
    fc.array(fc.nat(30), { maxLength: 8 }).map(String),
    fc.constantFrom("", "0", "1", "-1", "1e9", "9".repeat(30), "rootfs/x", "rootfs/../x", "."),
  );
  const record = fc.oneof(
    fc.tuple(keys, values).map(([key, value]) => paxRecord(key, value)),
    text(30),
  );
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), fc.nat(2000), (records, step) => {
      const bytes = image(
        joined(special("x", records.join("")), entry({ path: "rootfs/f" }, "2\n1\n5\n9\n3\n")),
      );
      read(bytes, step + 1);
    }),
    { numRuns: 10_000 },
  );
});
