import assert from "node:assert/strict";
import { ArchiveError } from "../bytes/archive_error.ts";
import {
  altered,
  archive,
  directory,
  entry,
  flip,
  hardlink,
  joined,
  padded,
  paxRecord,
  special,
  symlink,
} from "../testing/archive_fixture.ts";
import { bytesOf, byteString } from "../../linux/byte_string.ts";
import { TarParser } from "./tar.ts";
import type { TarEntry } from "./entry.ts";
import { BLOCK_SIZE, FIELD } from "./tar_field.ts";

interface Parsed {
  readonly entry: TarEntry;
  readonly data: Map<number, string>;
}

/** Parses in chunks of `step` bytes; data by their offset. */
function parse(bytes: Uint8Array, step = bytes.length): Parsed[] {
  const found: Parsed[] = [];
  const parser = new TarParser("test", {
    entry(entry) {
      found.push({ entry, data: new Map() });
      return true;
    },
    data(chunk, from, to, offset) {
      const data = found.at(-1)?.data;
      const before = [...data ?? []].at(-1);
      const text = byteString(chunk, from, to);
      if (before !== undefined && before[0] + before[1].length === offset) {
        data?.set(before[0], before[1] + text);
      } else data?.set(offset, text);
    },
    end() {},
  });
  for (let at = 0; at < bytes.length; at += step) parser.push(bytes.slice(at, at + step));
  parser.finish();
  return found;
}

/** The entry of an archive that has one. */
function onlyEntry(bytes: Uint8Array): TarEntry {
  const [found, ...others] = parse(bytes);
  assert.ok(found);
  assert.equal(others.length, 0);
  return found.entry;
}

const contentOf = (parsed: Parsed | undefined) => [...parsed?.data ?? []];

Deno.test("TarParser reads every kind of entry, in chunks of any size", () => {
  const bytes = archive(
    directory("a/", { mode: 0o1777, uid: 7, gid: 8 }),
    entry({ path: "a/file", mode: 0o4755 }, "x".repeat(1300)),
    symlink("a/s", "/etc/passwd"),
    hardlink("a/h", "a/file"),
    entry({ path: "a/c", kind: "character device", major: 300, minor: 70_000 }),
    entry({ path: "a/b", kind: "block device", major: 8, minor: 1 }),
    entry({ path: "a/f", kind: "fifo" }),
  );
  const whole = parse(bytes);
  for (const step of [1, 7, 511, 512, 513, 1024]) assert.deepEqual(parse(bytes, step), whole);
  assert.deepEqual(whole.map(({ entry }) => [entry.kind, entry.path, entry.link]), [
    ["directory", "a/", ""],
    ["file", "a/file", ""],
    ["symlink", "a/s", "/etc/passwd"],
    ["hardlink", "a/h", "a/file"],
    ["character device", "a/c", ""],
    ["block device", "a/b", ""],
    ["fifo", "a/f", ""],
  ]);
  const [above, file, , , device] = whole;
  assert.ok(above && file && device);
  assert.equal(above.entry.mode, 0o1777);
  assert.deepEqual([above.entry.uid, above.entry.gid], [7, 8]);
  assert.deepEqual([device.entry.major, device.entry.minor], [300, 70_000]);
  assert.deepEqual(contentOf(file), [[0, "x".repeat(1300)]]);
});

Deno.test("TarParser reads PAX records over header fields", () => {
  const pax = paxRecord("path", "n".repeat(300)) + paxRecord("uid", "3000000") +
    paxRecord("gid", "3000001") + paxRecord("mtime", "-1.25") +
    paxRecord("SCHILY.xattr.user.a", "x=\0y") + paxRecord("comment", "ignored");
  const found = onlyEntry(archive(special("x", pax), entry({ path: "short" }, "abc")));
  assert.equal(found.path, "n".repeat(300));
  assert.deepEqual([found.uid, found.gid], [3_000_000, 3_000_001]);
  assert.deepEqual([found.mtime, found.mtimeNs], [-2, 750_000_000]);
  assert.deepEqual(found.xattrs.get("user.a"), bytesOf("x=\0y"));
  assert.equal(found.offset, 0);
});

Deno.test("TarParser skips global headers", () => {
  const global = special("g", paxRecord("path", "evil"));
  assert.equal(onlyEntry(archive(global, entry({ path: "good" }))).path, "good");
});

Deno.test("TarParser reads GNU long names and links, bytes kept", () => {
  const long = "\xff\xfe/".repeat(100) + "x";
  const bytes = archive(
    special("L", long + "\0"),
    special("K", "t".repeat(150) + "\0"),
    symlink("short", "short"),
  );
  const found = onlyEntry(bytes);
  assert.deepEqual([found.path, found.link], [long, "t".repeat(150)]);
});

Deno.test("TarParser reads numbers in base 256", () => {
  const header = entry({ path: "f" }).subarray(0, BLOCK_SIZE);
  const bytes = archive(altered(header, [
    [FIELD.uid, "\x80\0\0\0\x80\0\0\0"],
    [FIELD.mtime, "\xff".repeat(11) + "\xfe"],
  ]));
  const found = onlyEntry(bytes);
  assert.deepEqual([found.uid, found.mtime], [0x80000000, -2]);
});

Deno.test("TarParser joins prefix and name of POSIX headers, and no others", () => {
  const header = entry({ path: "name" }).subarray(0, BLOCK_SIZE);
  const posix = altered(header, [[FIELD.prefix, "some/prefix"]]);
  const gnu = altered(posix, [[FIELD.magic, "ustar  \0"]]);
  const star = altered(header, [[FIELD.prefix, "p".repeat(131) + "12345"], [
    FIELD.starMagic,
    "tar",
  ]]);
  const paths = parse(archive(posix, gnu, star)).map(({ entry }) => entry.path);
  assert.deepEqual(paths, ["some/prefix/name", "name", "p".repeat(131) + "/name"]);
});

Deno.test("TarParser reads sparse files of PAX 0.0, 0.1 and 1.0", () => {
  const name = paxRecord("GNU.sparse.name", "real") + paxRecord("GNU.sparse.size", "100");
  const old = name + paxRecord("GNU.sparse.numblocks", "2") +
    paxRecord("GNU.sparse.offset", "10") + paxRecord("GNU.sparse.numbytes", "3") +
    paxRecord("GNU.sparse.offset", "50") + paxRecord("GNU.sparse.numbytes", "2");
  const newer = name + paxRecord("GNU.sparse.map", "10,3,50,2");
  const newest = paxRecord("GNU.sparse.name", "real") + paxRecord("GNU.sparse.realsize", "100") +
    paxRecord("GNU.sparse.major", "1") + paxRecord("GNU.sparse.minor", "0");
  const mapBlock = byteString(padded(bytesOf("2\n10\n3\n50\n2\n")));
  const cases: [string, string][] = [[old, "abcde"], [newer, "abcde"], [
    newest,
    mapBlock + "abcde",
  ]];
  for (const [pax, data] of cases) {
    const bytes = archive(special("x", pax), entry({ path: "GNUSparseFile.0/real" }, data));
    for (const step of [bytes.length, 100, 1]) {
      const [found] = parse(bytes, step);
      assert.ok(found);
      assert.deepEqual([found.entry.path, found.entry.size, found.entry.sparse], [
        "real",
        100,
        true,
      ]);
      assert.deepEqual(contentOf(found), [[10, "abc"], [50, "de"]]);
    }
  }
});

Deno.test("TarParser reads old GNU sparse headers with extension blocks", () => {
  const octal = (n: number) => n.toString(8).padStart(11, "0") + "\0";
  const pieces = Array.from({ length: 10 }, (_, i) => octal(i * 10) + octal(1));
  const header = altered(entry({ path: "s", size: 10 }).subarray(0, BLOCK_SIZE), [
    [FIELD.typeflag, "S"],
    [FIELD.magic, "ustar  \0"],
    [FIELD.sparseMap, pieces.slice(0, 4).join("")],
    [FIELD.sparseExtended, "\x01"],
    [FIELD.sparseRealSize, octal(1000)],
  ]);
  const extension = padded(bytesOf(pieces.slice(4).join("")));
  const bytes = archive(joined(header, extension, padded(bytesOf("0123456789"))));
  const [found] = parse(bytes);
  assert.ok(found);
  assert.equal(found.entry.size, 1000);
  assert.deepEqual(contentOf(found), [..."0123456789"].map((c, i) => [i * 10, c]));
});

Deno.test("TarParser refuses what cannot be right, and says where", () => {
  const header = entry({ path: "f", size: 5 }).subarray(0, BLOCK_SIZE);
  const damaged = header.slice();
  flip(damaged, 0, 1);
  const pax = (...records: string[]) =>
    joined(special("x", records.join("")), entry({ path: "f" }));
  const sparse = (map: string, data: string) =>
    joined(
      special("x", paxRecord("GNU.sparse.map", map) + paxRecord("GNU.sparse.size", "100")),
      entry({ path: "f" }, data),
    );
  const cases: [RegExp, Uint8Array][] = [
    [/at byte 0: no tar header here/, damaged],
    [/impossible size/, altered(header, [[FIELD.size, "99999999999"]])],
    [/impossible size/, altered(header, [[FIELD.size, "\xff".repeat(12)]])],
    [/impossible size/, altered(header, [[FIELD.size, "\x80" + "\xff".repeat(11)]])],
    [/impossible owner/, altered(header, [[FIELD.uid, "-1"]])],
    [/impossible owner/, altered(header, [[FIELD.uid, "\x80\0\0\0\xff\xff\xff\xff"]])],
    [/impossible group/, altered(header, [[FIELD.gid, "\xff".repeat(8)]])],
    [
      /impossible device number/,
      altered(header, [[FIELD.typeflag, "3"], [FIELD.size, "0"], [FIELD.major, "10000"]]),
    ],
    [
      /impossible device number/,
      altered(header, [[FIELD.typeflag, "4"], [FIELD.size, "0"], [FIELD.minor, "4000000"]]),
    ],
    [/impossible mode/, altered(header, [[FIELD.mode, "zzz"]])],
    [/"f" at byte 0 has a type that no image may contain \("M"\)/, special("M", "", "f")],
    [/is a symlink, but has data/, altered(header, [[FIELD.typeflag, "2"]])],
    [/link without a target/, symlink("s", "")],
    [/has no name/, entry({ path: "" })],
    [/extended header of 1048577 bytes/, special("x", "x".repeat((1 << 20) + 1))],
    [/long name of 4098 bytes/, special("L", "x".repeat(4098))],
    [/name longer than 4096/, pax(paxRecord("path", "x".repeat(5000)))],
    [/NUL byte in its name/, pax(paxRecord("path", "a\0b"))],
    [/record's length is wrong/, pax("999 path=x\n")],
    [/no key/, pax("3 \n")],
    [/record's length is wrong/, pax("1 x=y\n")],
    [/does not begin with its length/, pax("x path=x\n")],
    [/does not end where its length says/, pax("10 path=xyz\n")],
    [/no key/, pax("5 =x\n")],
    [/impossible size: "-5"/, pax(paxRecord("size", "-5"))],
    [/impossible size: "99999999999999999999"/, pax(paxRecord("size", "99999999999999999999"))],
    [/impossible uid: "4294967295"/, pax(paxRecord("uid", "4294967295"))],
    [/impossible mtime: "tomorrow"/, pax(paxRecord("mtime", "tomorrow"))],
    [/two extended headers/, joined(special("x", paxRecord("path", "x")), pax(""))],
    [/overlaps or leaves its file/, sparse("0,3,2,2", "abcde")],
    [/overlaps or leaves its file/, sparse("99,5", "abcde")],
    [/does not fit its data/, sparse("0,4", "abcde")],
    [/offset but no length/, sparse("0", "")],
    [
      /a sparse file of 9007199254740991 bytes/,
      joined(
        special(
          "x",
          paxRecord("GNU.sparse.map", "0,1") + paxRecord("GNU.sparse.size", String(2 ** 53 - 1)),
        ),
        entry({ path: "f" }, "a"),
      ),
    ],
    [/something else than numbers/, sparse("0,x", "")],
  ];
  for (const [message, bytes] of cases) {
    assert.throws(() => parse(archive(bytes)), (error: unknown) => {
      assert(error instanceof ArchiveError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("TarParser refuses an archive that ends early, wherever", () => {
  const bytes = archive(
    special("x", paxRecord("path", "long")),
    entry({ path: "a" }, "abc"),
    entry({ path: "b" }),
  );
  for (let length = 0; length < bytes.length; length += 128) {
    if (length === bytes.length - 512) continue; // one zero block is an end as well
    assert.throws(() => parse(bytes.slice(0, length), 4096), /ends too early: at byte/);
  }
});

Deno.test("TarParser takes zeros after the end, and nothing else", () => {
  const bytes = archive(entry({ path: "a" }));
  assert.equal(parse(joined(bytes, new Uint8Array(10_000 - 7))).length, 1);
  for (const at of [0, 100, 600]) {
    const garbage = new Uint8Array(1000);
    garbage[at] = 1;
    for (const step of [5000, 100]) {
      assert.throws(() => parse(joined(bytes, garbage), step), /garbage after the archive's end/);
    }
  }
});

for (
  const [mtime, mtimeNs] of [[981_173_106, 789_012_345], [-11, 750_000_000], [-1, 1], [
    5,
    0,
  ]] as const
) {
  Deno.test(`a time of ${mtime} s and ${mtimeNs} ns is read as it was written`, () => {
    const read: TarEntry[] = [];
    const parser = new TarParser("test", {
      entry: (entry) => {
        read.push(entry);
        return false;
      },
      data: () => {},
      end: () => {},
    });
    parser.push(archive(entry({ path: "file", mtime, mtimeNs })));
    parser.finish();
    assert.deepEqual(read.map((each) => [each.mtime, each.mtimeNs]), [[mtime, mtimeNs]]);
  });
}
