/** A tmpfs of an OCI container that begins with what its image has at that place (`tmpcopyup`). */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { type ImageRoot, readLink } from "../../stage1/resolve/user.ts";
import { keepOpen } from "./kept_descriptors.ts";
import type { MountOptions } from "./mount_options.ts";

/** Entries that are copied at most: an image with more there wants a volume. */
const MOST = 100_000;

/**
 * Makes the file system, mounted nowhere, and fills it.
 *
 * @param as the descriptor's number
 */
export function copyUp(root: ImageRoot, target: string, options: MountOptions, as: number): number {
  const doing = `make the tmpfs for ${target}`;
  const context = syscall(doing, "fsopen", cstring("tmpfs"), k.FSOPEN_CLOEXEC);
  for (const [key, value] of [["source", "tmpfs"] as const, ...options.data]) {
    const [command, text] = value === undefined
      ? [k.FSCONFIG_SET_FLAG, 0] as const
      : [k.FSCONFIG_SET_STRING, cstring(value)] as const;
    syscall(`${doing} (${key})`, "fsconfig", context, command, cstring(key), text, 0);
  }
  syscall(doing, "fsconfig", context, k.FSCONFIG_CMD_CREATE, 0, 0, 0);
  const mount = syscall(doing, "fsmount", context, k.FSMOUNT_CLOEXEC, 0);
  trySyscall("close", context);
  keepOpen(doing, mount, as);
  const from = root.openDirectory(target);
  if (from === undefined) return as;
  let left = MOST;
  const copy = (source: number, to: string) => {
    for (const { name } of Deno.readDirSync(pathOf(source))) {
      if (left-- === 0) {
        throw new Failure(`${target}: the image has more than ${MOST} files there`, 1);
      }
      const entry = openEntry(source, name);
      if (entry < 0) continue; // gone meanwhile
      try {
        copyEntry(entry, `${to}/${name}`, copy);
      } finally {
        trySyscall("close", entry);
      }
    }
  };
  try {
    copy(from, `${pathOf(as)}/.`);
    likeSource(from, `${pathOf(as)}/.`);
  } finally {
    trySyscall("close", from);
  }
  return as;
}

/** What a descriptor is of, and nothing that has its name by now. */
const pathOf = (fd: number): string => `/proc/self/fd/${fd}`;

/** Opens an entry of a directory, a link as itself: another container may have the same root, and put links there. */
function openEntry(directory: number, name: string): number {
  const flags = k.O_PATH | k.O_NOFOLLOW | k.O_CLOEXEC;
  return trySyscall("openat", directory, cstring(name), flags, 0);
}

function copyEntry(from: number, to: string, copy: (from: number, to: string) => void): void {
  const target = readLink(from);
  if (target !== undefined) {
    Deno.symlinkSync(target, to);
    const { uid, gid } = Deno.statSync(pathOf(from));
    syscall(
      "give the link its owner",
      "fchownat",
      k.AT_FDCWD,
      cstring(to),
      uid ?? 0,
      gid ?? 0,
      k.AT_SYMLINK_NOFOLLOW,
    );
    return;
  }
  const { isDirectory, isFile } = Deno.statSync(pathOf(from));
  if (isDirectory) {
    Deno.mkdirSync(to);
    copy(from, to);
  } else if (isFile) Deno.copyFileSync(pathOf(from), to);
  else return; // a socket, a device: what is there is no file's content
  likeSource(from, to);
}

function likeSource(from: number, to: string): void {
  const { uid, gid, mode, atime, mtime } = Deno.statSync(pathOf(from));
  Deno.chownSync(to, uid, gid);
  Deno.chmodSync(to, (mode ?? 0o755) & 0o7777);
  if (atime !== null && mtime !== null) Deno.utimeSync(to, atime, mtime);
}
