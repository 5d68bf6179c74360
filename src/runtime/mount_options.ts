/** The options of a mount of an OCI container (config-linux.md, "Linux mount options"): attributes, propagation, data. */
import * as k from "../linux/constants.ts";
import type { MountAttributes } from "../../stage1/container/container.ts";
import type { MountOption } from "../../stage1/steps/mounts.ts";

// include/uapi/linux/mount.h
const MOUNT_ATTR__ATIME = 0x70;
const MOUNT_ATTR_NOATIME = 0x10;
const MOUNT_ATTR_STRICTATIME = 0x20;
const MOUNT_ATTR_NODIRATIME = 0x80;
const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

/** What the options of a mount come to. */
export interface MountOptions {
  /** Whether it shows a part of the host's files, and whether with what is mounted there. */
  readonly bind?: { readonly recursive: boolean } | undefined;
  readonly attributes: readonly MountAttributes[];
  /** `MS_SHARED` and the like, with `MS_REC` or without. */
  readonly propagation: readonly number[];
  readonly idmap?: { readonly recursive: boolean } | undefined;
  /** Whether a new tmpfs gets what was there. */
  readonly copiesUp: boolean;
  /** What the file system itself is told. */
  readonly data: readonly MountOption[];
}

/** Bits that an option sets and clears. */
const ATTRIBUTES: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [k.MOUNT_ATTR_RDONLY, 0],
  rw: [0, k.MOUNT_ATTR_RDONLY],
  nosuid: [k.MOUNT_ATTR_NOSUID, 0],
  suid: [0, k.MOUNT_ATTR_NOSUID],
  nodev: [k.MOUNT_ATTR_NODEV, 0],
  dev: [0, k.MOUNT_ATTR_NODEV],
  noexec: [k.MOUNT_ATTR_NOEXEC, 0],
  exec: [0, k.MOUNT_ATTR_NOEXEC],
  noatime: [MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME],
  atime: [0, MOUNT_ATTR__ATIME],
  relatime: [0, MOUNT_ATTR__ATIME],
  norelatime: [0, MOUNT_ATTR__ATIME],
  strictatime: [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME],
  nostrictatime: [0, MOUNT_ATTR__ATIME],
  nodiratime: [MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, MOUNT_ATTR_NODIRATIME],
  nosymfollow: [MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, MOUNT_ATTR_NOSYMFOLLOW],
};

const PROPAGATION: Readonly<Record<string, number>> = {
  shared: k.MS_SHARED,
  rshared: k.MS_SHARED | k.MS_REC,
  slave: k.MS_SLAVE,
  rslave: k.MS_SLAVE | k.MS_REC,
  private: k.MS_PRIVATE,
  rprivate: k.MS_PRIVATE | k.MS_REC,
  unbindable: k.MS_UNBINDABLE,
  runbindable: k.MS_UNBINDABLE | k.MS_REC,
};

/** What mount(8) knows and no kernel is told. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  ...[
    "defaults",
    "nouser",
    "_netdev",
    "silent",
    "loud",
    "nofail",
    "auto",
    "noauto",
    "user",
  ],
  ...["private-", "remount", "nomand", "mand", "iversion", "noiversion"],
]);

/** Reads the propagation of a container's root; undefined where there is no such word. */
export const rootPropagation = (word: string): number | undefined => PROPAGATION[word];

/** The names of options, for `rkt oci features`. */
export const OPTION_NAMES: readonly string[] = [
  ...Object.keys(ATTRIBUTES).flatMap((name) => [name, `r${name}`]),
  ...Object.keys(PROPAGATION),
  ...["bind", "rbind", "idmap", "ridmap", "tmpcopyup", "defaults", "remount", "silent", "loud"],
  ...["async", "sync", "dirsync", "lazytime", "nolazytime", "iversion", "noiversion"],
].sort();

/** Reads the options of a mount. */
export function readMountOptions(options: readonly string[]): MountOptions {
  let bind: MountOptions["bind"];
  let idmap: MountOptions["idmap"];
  let copiesUp = false;
  const own = { set: 0, clear: 0, recursive: false };
  const below = { set: 0, clear: 0, recursive: true };
  const propagation: number[] = [];
  const data: MountOption[] = [];
  const apply = (to: typeof own, [set, clear]: readonly [number, number]) => {
    // The last of two that contradict each other counts.
    to.set = to.set & ~clear & ~(clear & MOUNT_ATTR__ATIME) | set;
    to.clear = to.clear & ~set | clear;
  };
  for (const option of options) {
    const attribute = Object.hasOwn(ATTRIBUTES, option) ? ATTRIBUTES[option] : undefined;
    const recursive = option.startsWith("r") && Object.hasOwn(ATTRIBUTES, option.slice(1))
      ? ATTRIBUTES[option.slice(1)]
      : undefined;
    const spread = Object.hasOwn(PROPAGATION, option) ? PROPAGATION[option] : undefined;
    if (attribute !== undefined) apply(own, attribute);
    else if (recursive !== undefined) apply(below, recursive);
    else if (spread !== undefined) propagation.push(spread);
    else if (option === "bind") bind = bind ?? { recursive: false };
    else if (option === "rbind") bind = { recursive: true };
    else if (option === "idmap") idmap = { recursive: false };
    else if (option === "ridmap") idmap = { recursive: true };
    else if (option === "tmpcopyup") copiesUp = true;
    else if (!WITHOUT_EFFECT.has(option) && option !== "") data.push(dataOption(option));
  }
  const changes = ({ set, clear }: MountAttributes) => set !== 0 || clear !== 0;
  return { bind, idmap, copiesUp, propagation, data, attributes: [own, below].filter(changes) };
}

function dataOption(option: string): MountOption {
  const at = option.indexOf("=");
  return at === -1 ? [option] : [option.slice(0, at), option.slice(at + 1)];
}
