/** A tmpfs of an OCI container that begins with what its image has at that place (`tmpcopyup`). */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import type { ImageRoot } from "../../stage1/resolve/user.ts";
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
  const copy = (source: string, to: string) => {
    for (const { name } of Deno.readDirSync(source)) {
      if (left-- === 0) {
        throw new Failure(`${target}: the image has more than ${MOST} files there`, 1);
      }
      copyEntry(`${source}/${name}`, `${to}/${name}`, copy);
    }
  };
  try {
    copy(`/proc/self/fd/${from}/.`, `/proc/self/fd/${as}/.`);
    likeSource(`/proc/self/fd/${from}/.`, `/proc/self/fd/${as}/.`);
  } finally {
    trySyscall("close", from);
  }
  return as;
}

function copyEntry(from: string, to: string, copy: (from: string, to: string) => void): void {
  const { isDirectory, isSymlink, isFile, uid, gid } = Deno.lstatSync(from);
  if (isSymlink) {
    Deno.symlinkSync(Deno.readLinkSync(from), to);
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
  if (isDirectory) {
    Deno.mkdirSync(to);
    copy(from, to);
  } else if (isFile) Deno.copyFileSync(from, to);
  else return; // a socket, a device: what is there is no file's content
  likeSource(from, to);
}

function likeSource(from: string, to: string): void {
  const { uid, gid, mode, atime, mtime } = Deno.lstatSync(from);
  Deno.chownSync(to, uid, gid);
  Deno.chmodSync(to, (mode ?? 0o755) & 0o7777);
  if (atime !== null && mtime !== null) Deno.utimeSync(to, atime, mtime);
}
