/**
 * Where a tree's root can be seen. A tree is kept as files, or as an index over the images' archives, which has to be mounted
 * first; see src/erofs. This is on the way of `rkt run`: three calls of the kernel where all is as it was.
 */
import { AT_FDCWD, STATX_BASIC_STATS } from "../../linux/early_constants.ts";
import { exists } from "../../linux/exists.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import { treePath } from "../layout.ts";

/** How a tree is kept: extracted, or as an index of archives. */
export type TreeKind = "directory" | "erofs";

/** The root of a tree that is there. */
export interface TreeRoot {
  readonly kind: TreeKind;
  /** An absolute path if the data directory is one. */
  readonly path: string;
  /** Whether it can be looked into: else an index has to be mounted. */
  readonly ready: boolean;
}

/** Whether a tree is kept as an index. */
export function isIndex(dataDir: string, treeId: string): boolean {
  return exists(`${treePath(dataDir, treeId)}/index.erofs`);
}

/** Where the root of a tree is; undefined where there is no such tree. */
export function treeRoot(dataDir: string, treeId: string): TreeRoot | undefined {
  const path = `${treePath(dataDir, treeId)}/rootfs`;
  if (exists(path)) return { kind: "directory", path, ready: true };
  if (!isIndex(dataDir, treeId)) return undefined;
  const mounted = `${mountsDirectory(dataDir)}/${treeId}`;
  return { kind: "erofs", path: mounted, ready: isMountRoot(mounted) };
}

/** `struct statx`: its size, and where its fields are (include/uapi/linux/stat.h). */
const STATX = { size: 256, attributes: 8, inode: 32, major: 136, minor: 140 } as const;
const STATX_ATTR_MOUNT_ROOT = 0x2000;

/** The directory of a store's mounts, by what the store's directory is: it may have several paths. */
export function mountsDirectory(dataDir: string): string {
  const view = status(`${dataDir}/cas/tree`);
  const field = (at: number) => view?.getUint32(at, true) ?? 0;
  const inode = view?.getBigUint64(STATX.inode, true) ?? 0n;
  return `/run/rkt/trees/${field(STATX.major)}-${field(STATX.minor)}-${inode}`;
}

function isMountRoot(path: string): boolean {
  return ((status(path)?.getUint32(STATX.attributes, true) ?? 0) & STATX_ATTR_MOUNT_ROOT) !== 0;
}

function status(path: string): DataView | undefined {
  const bytes = new Uint8Array(STATX.size);
  const result = trySyscall("statx", AT_FDCWD, cstring(path), 0, STATX_BASIC_STATS, bytes);
  return result === 0 ? new DataView(bytes.buffer) : undefined;
}
