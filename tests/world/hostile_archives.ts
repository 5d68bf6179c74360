/** Archives that must be refused, each with a name that says why. Test material, no test. */
import { gzipSync } from "node:zlib";
import {
  altered,
  archive,
  directory,
  entry,
  hardlink,
  image,
  joined,
  manifest,
  MANIFEST_TEXT,
  padded,
  paxRecord,
  special,
  symlink,
} from "../../src/aci/testing/archive_fixture.ts";
import { bytesOf, byteString } from "../../src/linux/byte_string.ts";
import { BLOCK_SIZE, FIELD, type Field } from "../../src/aci/tar/tar_field.ts";

/** Name and bytes. */
export type Case = readonly [name: string, bytes: Uint8Array<ArrayBuffer>];

const file = (path: string, data = "evil") => entry({ path }, data);
const header = (path: string) => entry({ path, size: 4 }).subarray(0, BLOCK_SIZE);
const withField = (field: Field, value: string, path = "rootfs/f") =>
  joined(altered(header(path), [[field, value]]), padded(bytesOf("evil")));
const pax = (...records: string[]) => joined(special("x", records.join("")), file("rootfs/f"));

/** A small image with something of everything. */
const WHOLE = image(
  directory("rootfs/d"),
  joined(special("x", paxRecord("path", "rootfs/d/long")), file("rootfs/x")),
  joined(special("L", "rootfs/d/longer\0"), file("rootfs/x")),
  file("rootfs/big", "x".repeat(1500)),
  symlink("rootfs/l", "d"),
  hardlink("rootfs/h", "rootfs/big"),
);

/** @param outside a directory outside of everything, whose files must stay as they are */
export function hostileArchives(outside: string): readonly Case[] {
  return [
    ...byName(outside),
    ...byLink(outside),
    ...byStructure(),
    ...byHeader(),
    ...byExtendedHeader(),
    ...truncated(),
    ...compressed(),
    ...byManifest(),
  ];
}

function byName(outside: string): Case[] {
  const names = [
    ...["../evil", "../../evil", "rootfs/../../evil", "rootfs/../evil", "rootfs/d/../../../evil"],
    ...["rootfs/..", "rootfs/d/..", "..", "/", "/evil", "//evil", "/rootfs/evil", "./../evil"],
    ...["evil", "rootfsevil", "rootfs.d/evil", "Rootfs/evil", "manifest/evil", "manifest2", "."],
    ...["./", "rootfs\n", "rootfs/../manifest", "rootfs/./../manifest", `${outside}/evil`],
    `..${outside}/evil`,
    `rootfs/../..${outside}/evil`,
    `rootfs/${"../".repeat(30)}${outside.slice(1)}/file`,
  ];
  return [
    ...names.map((name): Case => [`file named ${name}`, image(file(name))]),
    // `tar -cf x.aci .` begins with the directory itself.
    ...names.filter((name) => name !== "." && name !== "./")
      .map((name): Case => [`directory named ${name}`, image(directory(name))]),
    ...names.slice(0, 8).map((
      name,
    ): Case => [`PAX path ${name}`, image(pax(paxRecord("path", name)))]),
    ...names.slice(0, 8).map((name): Case => [
      `long name ${name}`,
      image(special("L", `${name}\0`), file("rootfs/x")),
    ]),
    ["NUL in a name", image(pax(paxRecord("path", "rootfs/a\0/../../evil")))],
    ["prefix with ..", image(withField(FIELD.prefix, "rootfs/../.."))],
    ["component too long", image(file(`rootfs/${"n".repeat(256)}`))],
    ["name too long", image(file(`rootfs/${"n/".repeat(2100)}`))],
    [
      "sparse name",
      image(pax(
        paxRecord("GNU.sparse.map", "0,4") + paxRecord("GNU.sparse.size", "4") +
          paxRecord("GNU.sparse.name", "../evil"),
      )),
    ],
  ];
}

function byLink(outside: string): Case[] {
  const targets = [outside, "../".repeat(20) + outside.slice(1), "/", ".", "..", "d"];
  const through = targets.flatMap((target): Case[] => [
    [
      `file below a symlink to ${target}`,
      image(symlink("rootfs/l", target), file("rootfs/l/file")),
    ],
    [
      `directory over a symlink to ${target}`,
      image(symlink("rootfs/l", target), directory("rootfs/l"), file("rootfs/l/file")),
    ],
    [
      `file over a symlink to ${target}`,
      image(symlink("rootfs/l", `${target}/file`), file("rootfs/l")),
    ],
  ]);
  const links = [
    ...[`${outside}/file`, `..${outside}/file`, "../../file", "rootfs/../../file", "/etc/passwd"],
    ...[
      "manifest",
      "etc/passwd",
      "rootfs/none",
      "rootfs/l",
      "rootfs",
      "rootfs/d",
      "rootfs/../manifest",
    ],
  ];
  return [
    ...through,
    ["file two below a symlink", image(symlink("rootfs/l", outside), file("rootfs/l/a/b"))],
    ["symlink below a symlink", image(symlink("rootfs/l", outside), symlink("rootfs/l/a", "x"))],
    [
      "device below a symlink",
      image(
        symlink("rootfs/l", outside),
        entry({ path: "rootfs/l/n", kind: "block device", major: 8 }),
      ),
    ],
    [
      "chain of symlinks",
      image(
        symlink("rootfs/a", outside),
        symlink("rootfs/b", "a"),
        file("rootfs/b/file"),
      ),
    ],
    ["rootfs is a symlink", archive(manifest(), symlink("rootfs", outside), file("rootfs/file"))],
    [
      "rootfs is a symlink, later",
      archive(manifest(), file("rootfs/file"), symlink("rootfs", outside)),
    ],
    ["manifest is a symlink", archive(symlink("manifest", `${outside}/file`), directory("rootfs"))],
    ["manifest is a hardlink", archive(hardlink("manifest", "rootfs/f"), file("rootfs/f"))],
    ["file below a fifo", image(entry({ path: "rootfs/p", kind: "fifo" }), file("rootfs/p/x"))],
    ...links.map((link): Case => [
      `hardlink to ${link}`,
      image(directory("rootfs/d"), hardlink("rootfs/l", link)),
    ]),
    [
      "hardlink below a symlink",
      image(
        symlink("rootfs/s", outside),
        hardlink("rootfs/h", "rootfs/s/file"),
      ),
    ],
    [
      "hardlinks to each other",
      image(hardlink("rootfs/a", "rootfs/b"), hardlink("rootfs/b", "rootfs/a")),
    ],
    ["symlink without a target", image(symlink("rootfs/l", ""))],
    [
      "symlink to a NUL",
      image(
        special("x", paxRecord("linkpath", "a\0b")),
        symlink("rootfs/l", "x"),
      ),
    ],
  ];
}

function byStructure(): Case[] {
  const f = file("rootfs/f");
  return [
    ["nothing at all", new Uint8Array(0)],
    ["one byte", new Uint8Array([1])],
    ["zeros", new Uint8Array(10_240)],
    ["text", padded(bytesOf("#!/bin/sh\necho hello\n")) as Uint8Array<ArrayBuffer>],
    ["no entries", archive()],
    ["no manifest", archive(directory("rootfs"), f)],
    ["no rootfs", archive(manifest())],
    ["two manifests", archive(manifest(), directory("rootfs"), manifest())],
    ["two manifests, one unclean", archive(manifest(), directory("rootfs"), file(".//manifest"))],
    ["rootfs twice", image(directory("rootfs/"))],
    ["rootfs is a file", archive(manifest(), file("rootfs"))],
    ["manifest is a directory", archive(directory("manifest"), directory("rootfs"))],
    [
      "manifest is a device",
      archive(
        entry({ path: "manifest", kind: "character device", major: 1, minor: 3 }),
        directory("rootfs"),
      ),
    ],
    ["file twice", image(f, f)],
    ["file twice, unclean", image(f, file("./rootfs//f"))],
    ["directory twice", image(directory("rootfs/d"), directory("rootfs/d/."))],
    ["file over a directory", image(directory("rootfs/d"), file("rootfs/d"))],
    ["directory over a file", image(file("rootfs/d"), directory("rootfs/d"))],
    ["file over an implied directory", image(file("rootfs/d/x"), file("rootfs/d"))],
    ["symlink over an implied directory", image(file("rootfs/d/x"), symlink("rootfs/d", "/"))],
    ["file below a file", image(f, file("rootfs/f/g"))],
    ["file below a hardlink", image(f, hardlink("rootfs/h", "rootfs/f"), file("rootfs/h/g"))],
  ];
}

function byHeader(): Case[] {
  const fields: [string, Field, string][] = [
    ["size 8 GiB", FIELD.size, "77777777777"],
    ["size in base 256, huge", FIELD.size, "\x80" + "\xff".repeat(11)],
    ["size in base 256, 2^52", FIELD.size, "\x80\0\0\0\0\x10\0\0\0\0\0\0"],
    ["size negative", FIELD.size, "\xff".repeat(12)],
    ["size of letters", FIELD.size, "abc"],
    ["size with a sign", FIELD.size, "-1"],
    ["mode of letters", FIELD.mode, "rwxr-xr"],
    ["owner negative", FIELD.uid, "\xff".repeat(8)],
    ["owner too large", FIELD.uid, "\x80\0\0\x01\0\0\0\0"],
    ["group too large", FIELD.gid, "\x80\0\0\x01\0\0\0\0"],
    ["time of letters", FIELD.mtime, "yesterday"],
    ["type unknown", FIELD.typeflag, "Z"],
    ["type of GNU volumes", FIELD.typeflag, "M"],
    ["directory with data", FIELD.typeflag, "5"],
    ["symlink with data", FIELD.typeflag, "2"],
    ["hardlink with data", FIELD.typeflag, "1"],
    ["device with data", FIELD.typeflag, "3"],
  ];
  const device = entry({ path: "rootfs/n", kind: "block device" });
  const damaged = (at: number) => {
    const bytes = image(file("rootfs/f"));
    flip(bytes, bytes.length - 4 * BLOCK_SIZE + at, 0x15);
    return bytes;
  };
  return [
    ...fields.map(([name, field, value]): Case => [name, image(withField(field, value))]),
    ["device with a huge major number", image(altered(device, [[FIELD.major, "7777777"]]))],
    ["device with a huge minor number", image(altered(device, [[FIELD.minor, "7777777"]]))],
    ...[0, 99, 100, 130, 148, 156, 200, 345, 511].map((at): Case => [
      `wrong checksum by byte ${at}`,
      damaged(at),
    ]),
  ];
}

function byExtendedHeader(): Case[] {
  const bad = [
    ...["x", "0 ", "3 \n", "5 a=b", "99 path=x\n", "6 path\n", "00000000000011 a=b\n", "-5 a=b\n"],
    ...["7 =abc\n", "10 path=x\n\n\n\n", "4294967297 path=x\n"],
  ];
  const records: [string, string][] = [
    ...[["size", "-1"], ["size", "1e3"], ["size", "9".repeat(25)], [
      "size",
      "18446744073709551616",
    ]],
    ...[["uid", "-1"], ["uid", "4294967295"], ["gid", "x"], ["mtime", "now"], [
      "mtime",
      "9".repeat(40),
    ]],
    ...[["size", "1000000"], ["GNU.sparse.map", "0,4"], ["GNU.sparse.major", "7"]],
  ].map(([key = "", value = ""]) => [key, value]);
  const sparse = (map: string, size: string) =>
    pax(paxRecord("GNU.sparse.map", map), paxRecord("GNU.sparse.size", size));
  const version1 = paxRecord("GNU.sparse.major", "1") + paxRecord("GNU.sparse.minor", "0") +
    paxRecord("GNU.sparse.realsize", "100");
  const maps = [
    "",
    "x\n",
    "1\n0\n",
    "999999999\n",
    "1".repeat(600),
    "1\n99\n5\n",
    "2\n5\n1\n1\n1\n",
  ];
  return [
    ...bad.map((text): Case => [`PAX records ${JSON.stringify(text)}`, image(pax(text))]),
    ...records.map(([key, value]): Case => [
      `PAX ${key}=${value}`,
      image(pax(paxRecord(key, value))),
    ]),
    ["PAX header of 2 MiB", image(pax(paxRecord("comment", "x".repeat(2 << 20))))],
    [
      "PAX header of 8 GiB",
      image(joined(
        altered(special("x", "").subarray(0, BLOCK_SIZE), [[FIELD.size, "77777777777"]]),
        file("rootfs/f"),
      )),
    ],
    ["global header of 2 MiB", image(special("g", "x".repeat(2 << 20)))],
    ["PAX path of 100 KB", image(pax(paxRecord("path", `rootfs/${"x/".repeat(50_000)}x`)))],
    ["long name of 1 MiB", image(special("L", "x".repeat(1 << 20)), file("rootfs/x"))],
    ["long link of 1 MiB", image(special("K", "x".repeat(1 << 20)), symlink("rootfs/x", "x"))],
    [
      "two PAX headers",
      image(special("x", paxRecord("path", "rootfs/a")), pax(paxRecord("uid", "1"))),
    ],
    ["two long names", image(special("L", "a\0"), special("L", "b\0"), file("rootfs/x"))],
    ["PAX header before the end", image(special("x", paxRecord("path", "rootfs/a")))],
    ["long name before the end", image(special("L", "rootfs/a\0"))],
    ["sparse map overlaps", image(sparse("0,3,2,1", "100"))],
    ["sparse map backwards", image(sparse("50,2,10,2", "100"))],
    ["sparse map leaves the file", image(sparse("98,4", "100"))],
    ["sparse map too short", image(sparse("0,3", "100"))],
    ["sparse map too long", image(sparse("0,5", "100"))],
    ["sparse map without a length", image(sparse("0", "100"))],
    ["sparse file of 8 PiB", image(sparse("0,4", "9007199254740991"))],
    ["sparse file of no size", image(pax(paxRecord("GNU.sparse.map", "0,4")))],
    ...maps.map((map): Case => [
      `sparse map in data ${JSON.stringify(map.slice(0, 20))}`,
      image(special("x", version1), file("rootfs/f", byteString(padded(bytesOf(map))))),
    ]),
  ];
}

function truncated(): Case[] {
  const cases: Case[] = [];
  // One block of zeros is end enough, as for tar.
  for (let at = BLOCK_SIZE; at < WHOLE.length - BLOCK_SIZE; at += BLOCK_SIZE) {
    cases.push([`cut at ${at}`, WHOLE.slice(0, at)]);
    cases.push([`cut at ${at + 1}`, WHOLE.slice(0, at + 1)]);
    cases.push([`cut at ${at + 511}`, WHOLE.slice(0, at + 511)]);
  }
  return cases;
}

/** Flips bits of one byte. */
function flip(bytes: Uint8Array, at: number, bits: number): void {
  bytes.set([(bytes.at(at) ?? 0) ^ bits], at);
}

function compressed(): Case[] {
  const gzip = new Uint8Array(gzipSync(WHOLE));
  const damaged = gzip.slice();
  flip(damaged, gzip.length >> 1, 0x55);
  const wrongSum = gzip.slice();
  flip(wrongSum, gzip.length - 6, 1);
  return [
    ...[2, 3, 10, 18, 100, gzip.length - 9, gzip.length - 8, gzip.length - 1].map((at): Case => [
      `gzip cut at ${at}`,
      gzip.slice(0, at),
    ]),
    ["gzip damaged", damaged],
    ["gzip with a wrong sum", wrongSum],
    ["gzip with garbage behind", joined(gzip, bytesOf("garbage"))],
    ["gzip with half a member behind", joined(gzip, gzip.slice(0, 30))],
    ["gzip in gzip", new Uint8Array(gzipSync(gzip))],
    ["gzip of nothing", new Uint8Array(gzipSync(new Uint8Array(0)))],
    ["gzip of zeros, 64 MiB", new Uint8Array(gzipSync(new Uint8Array(64 << 20)))],
    ["gzip of two images", new Uint8Array(joined(gzip, gzip))],
  ];
}

function byManifest(): Case[] {
  const withManifest = (text: string) => archive(manifest(text), directory("rootfs"));
  return [
    ["manifest of 5 MiB", withManifest(MANIFEST_TEXT + " ".repeat(5 << 20))],
    [
      "manifest of 8 GiB",
      archive(
        altered(entry({ path: "manifest" }), [[FIELD.size, "77777777777"]]),
        directory("rootfs"),
      ),
    ],
    ["manifest empty", withManifest("")],
    ["manifest not UTF-8", withManifest("\xff\xfe{}")],
    ["manifest not JSON", withManifest("{")],
    ["manifest nested deeply", withManifest("[".repeat(1 << 20))],
    ["manifest of another kind", withManifest('{"acKind":"PodManifest"}')],
  ];
}
