/** Images by chance: mostly such as a tar writer would make, with names that meet, and a few that nobody would. */
import {
  archive,
  entry,
  image,
  joined,
  paxRecord,
  special,
} from "../../aci/testing/archive_fixture.ts";
import type { TarKind } from "../../aci/tar/entry.ts";
import type { ByteString } from "../../linux/byte_string.ts";

/** Whole numbers by chance, at least 0 and less than the limit. */
export type Below = (limit: number) => number;

/** Numbers that a seed determines (mulberry32). */
export function seeded(seed: number): Below {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  };
}

const one = <T>(below: Below, of: readonly [T, ...T[]]): T => of[below(of.length)] ?? of[0];

const NAMES: readonly [ByteString, ...ByteString[]] = [
  "a",
  ..."bcdef",
  "\xff\xfe",
  "-",
  "!",
  "...",
  "a b\n",
  "n".repeat(255),
];
/** In one image of many: such a name makes it one to be refused. */
const BAD_NAMES: readonly [ByteString, ...ByteString[]] = ["..", "n".repeat(256), ""];

function path(below: Below): ByteString {
  const names = Array.from({ length: 1 + below(4) }, () => one(below, NAMES));
  if (below(800) === 0) names.push(one(below, BAD_NAMES));
  return ["rootfs", ...names].join("/");
}

const KINDS: readonly [TarKind, ...TarKind[]] = [
  "file",
  "file",
  "file",
  "file",
  "directory",
  "directory",
  "symlink",
  "symlink",
  "hardlink",
  "fifo",
  "character device",
  "block device",
];

const SIZES: readonly [number, ...number[]] = [
  0,
  1,
  100,
  511,
  512,
  513,
  4095,
  4096,
  4097,
  8193,
  65_536,
  69_632,
  69_633,
  200_000,
];
const TARGETS: readonly [number, ...number[]] = [1, 30, 447, 448, 449, 512, 1000, 4094, 4095];

function bytes(below: Below, size: number): Uint8Array {
  const first = below(256);
  // Some can't be compressed, and some in part.
  const random = size < 4096 ? 0 : one(below, [0, 0, 1, 0.5]) * size;
  const words = Uint32Array.from({ length: Math.ceil(random / 4) }, () => below(2 ** 32));
  const noise = new Uint8Array(words.buffer);
  return Uint8Array.from(
    { length: size },
    (_, i) => noise[i] ?? (first + i * 7 + (i >>> 8)) & 0xff,
  );
}

function xattrs(below: Below): Map<ByteString, Uint8Array> {
  const found = new Map<ByteString, Uint8Array>();
  if (below(4) !== 0) return found;
  const names: readonly [ByteString, ...ByteString[]] = [
    "user.a",
    "user.\xff",
    "user." + "l".repeat(100),
    "user.overlay.opaque",
    "trusted.overlay.opaque",
    "security.selinux",
    "system.posix_acl_access",
  ];
  for (let i = below(4); i > 0; i--) found.set(one(below, names), bytes(below, below(60)));
  if (below(2) === 0) {
    found.set("security.capability", Uint8Array.of(1, 0, 0, 2, ...bytes(below, 16)));
  }
  if (below(300) === 0) found.set("user.", bytes(below, 1));
  return found;
}

/** One entry: header, data, padding. `known` are the paths so far, for links to lead somewhere. */
function randomEntry(below: Below, known: ByteString[], taken: Map<ByteString, TarKind>) {
  const kind = one(below, KINDS);
  const name = path(below);
  // A writer of archives lists nothing twice, and nothing below a file. Mostly.
  if (!isFree(name, kind, taken) && below(200) !== 0) return new Uint8Array();
  if (!taken.has(name)) taken.set(name, kind);
  const [earlier = name] = known.length === 0 ? [] : [known[below(known.length)]];
  if (kind !== "directory" && kind !== "hardlink") known.push(name);
  const isDevice = kind === "character device" || kind === "block device";
  const fields = {
    kind,
    path: below(20) === 0 ? `./${name.replace("/", "//")}` : name,
    link: kind === "hardlink"
      ? below(40) === 0 ? path(below) : earlier
      : kind === "symlink"
      ? "t".repeat(one(below, TARGETS))
      : "",
    mode: below(0o10000),
    uid: below(4) === 0 ? 4_000_000_000 : below(3),
    gid: below(3),
    mtime: below(2_000_000_000) - (below(5) === 0 ? 2_000_000_000 : 0),
    major: isDevice ? below(4096) : 0,
    minor: isDevice ? below(0x100000) : 0,
    xattrs: xattrs(below),
  };
  if (kind === "hardlink") return entry({ ...fields, xattrs: new Map() });
  if (kind !== "file") return entry(fields);
  if (below(6) === 0) return sparse(below, name);
  return entry(fields, bytes(below, one(below, SIZES)));
}

function isFree(name: ByteString, kind: TarKind, taken: ReadonlyMap<ByteString, TarKind>): boolean {
  if (taken.has(name)) return false;
  const parts = name.split("/");
  const parents = parts.map((_, i) => parts.slice(0, i).join("/"));
  if (parents.some((parent) => (taken.get(parent) ?? "directory") !== "directory")) return false;
  return kind === "directory" || [...taken.keys()].every((each) => !each.startsWith(`${name}/`));
}

/** A sparse file of PAX 0.1 or 1.0. Most lie at blocks; an index can't have the others. */
function sparse(below: Below, name: ByteString): Uint8Array {
  const unit = below(8) === 0 ? 100 : one(below, [512, 512, 4096, 65536]);
  const map: number[] = [];
  let end = 0;
  for (let i = below(6); i > 0; i--) {
    const offset = end + unit * below(5);
    const length = unit * (1 + below(3));
    map.push(offset, length);
    end = offset + length;
  }
  const size = end + below(3) * below(100_000);
  const data = bytes(below, map.reduce((sum, n, i) => i % 2 === 0 ? sum : sum + n, 0));
  const records = paxRecord("GNU.sparse.name", name) +
    paxRecord("mtime", `${below(1_000_000_000)}.${below(1_000_000_000)}`);
  if (below(2) === 0) {
    const pax = paxRecord("GNU.sparse.map", map.join(",")) +
      paxRecord("GNU.sparse.size", String(size));
    return joined(special("x", records + pax), entry({ path: "x" }, data));
  }
  const pax = paxRecord("GNU.sparse.major", "1") + paxRecord("GNU.sparse.minor", "0") +
    paxRecord("GNU.sparse.realsize", String(size));
  const text = [map.length / 2, ...map].map((number) => `${number}\n`).join("");
  const head = new Uint8Array(Math.ceil(text.length / 512) * 512);
  head.set(new TextEncoder().encode(text));
  return joined(special("x", records + pax), entry({ path: "x" }, joined(head, data)));
}

/** A path that may stand in a whitelist. */
export function randomWhitelist(below: Below): string[] {
  if (below(3) !== 0) return [];
  return Array.from({ length: 1 + below(30) }, () => {
    const names = Array.from({ length: 1 + below(3) }, () => "abcdef"[below(6)]);
    return `/${names.join("/")}`;
  });
}

/**
 * An archive of a layer of an OCI image, with whiteouts.
 *
 * @param lower the kinds of what lower layers have, by path; gets what this one adds
 */
export function randomLayer(
  below: Below,
  lower: Map<ByteString, TarKind>,
): Uint8Array<ArrayBuffer> {
  const known = [...lower].filter(([, kind]) => !["directory", "hardlink"].includes(kind))
    .map(([path]) => path);
  const parts: Uint8Array[] = [];
  for (const [path, kind] of lower) {
    const [parent, name] = [path.slice(0, path.lastIndexOf("/")), path.split("/").at(-1)];
    if (below(12) === 0) parts.push(entry({ path: `${parent}/.wh.${name}` }));
    if (kind === "directory" && below(12) === 0) {
      parts.push(entry({ path: `${path}/.wh..wh..opq` }));
    }
  }
  const taken = new Map([...lower].filter(([, kind]) => kind !== "directory"));
  if (below(50) === 0) parts.push(entry({ path: "rootfs/.wh.a/b" }));
  const all = Array.from({ length: below(16) }, () => randomEntry(below, known, taken));
  for (const [path, kind] of taken) if (!path.includes(".wh.")) lower.set(path, kind);
  // Whiteouts are about lower layers only, wherever they stand.
  const entries = below(2) === 0 ? [...parts, ...all] : [...all, ...parts];
  return below(3) === 0 ? joined(...entries, unpadded(below)) : archive(...entries);
}

/** A last file without padding and without an end behind it, as umoci writes. */
function unpadded(below: Below): Uint8Array {
  const path = `rootfs/last${below(3)}`;
  const whole = below(3) === 0
    ? sparse(below, path)
    : entry({ path }, bytes(below, one(below, [300_000, ...SIZES])));
  let end = whole.length;
  while (end > whole.length - 511 && whole[end - 1] === 0) end--;
  return whole.subarray(0, end);
}

/** An archive of an image. One of many is damaged, or no image at all. */
export function randomImage(below: Below): Uint8Array<ArrayBuffer> {
  const known: ByteString[] = [];
  const taken = new Map<ByteString, TarKind>();
  const entries = Array.from({ length: below(24) }, () => randomEntry(below, known, taken));
  const whole = below(100) === 0 ? archive(...entries) : image(...entries);
  if (below(50) === 0) whole[below(whole.length)] = below(256);
  return below(100) === 0 ? whole.slice(0, below(whole.length)) : whole;
}
