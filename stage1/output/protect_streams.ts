/**
 * The caller's streams, as apps may have them: opened again by a read-only mount of their own.
 *
 * By a descriptor, root can change more than what it was opened for: by /proc/self/fd/0 a file that was opened to be read
 * is opened to be written, and fchmod(2) and fchown(2) change a terminal of the host's, or its /dev/null. By a mount that
 * is read-only none of that works (EROFS), and a device can still be read and written.
 *
 * A file for output needs more: ftruncate(2) works by any descriptor that was opened to be written. See file_writer.ts.
 */
import * as k from "../../src/linux/constants.ts";
import { STATX } from "../../src/linux/statx.ts";
import { addressOf, type Section, type Slot, slot, space, struct } from "../engine/plan.ts";
import type { Streaming } from "./streams.ts";

/** The mount's descriptor, while the stream is opened. */
const STREAM_MOUNT = 250;

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** Bytes of the longest path by which a stream is found. */
const PATH = 1024;

/**
 * Steps of a process in the host's mount namespace. A stream that can't be mounted (a memfd, one that is gone or covered in
 * these mounts) stays as it is.
 *
 * @param ownNull whether apps get their own /dev/null in place of the caller's
 */
export function protectStreams(
  steps: Section,
  { apps, caller }: Streaming,
  ownNull: boolean,
): void {
  for (const [fd, name] of STREAMS.entries()) {
    const kind = caller?.[name] ?? "other";
    const isUsed = apps.some(({ streams }) => streams[name] === "inherit");
    const isOpen = kind === "device" || (kind === "null" && !ownNull) ||
      (kind === "file" && name === "stdin");
    if (isUsed && isOpen) reopen(steps, fd, kind === "file");
  }
}

function reopen(steps: Section, fd: number, isFile: boolean): void {
  const [offset, mode] = [slot("offset of the stream"), slot("access to the stream")];
  const [mount, file] = [slot("mount of the stream"), slot("stream")];
  const at = `stream ${fd}`;
  const [done, close, closeNumber] = [`${at}: done`, `${at}: close`, `${at}: close its number`];
  const [byPath, mounted] = [`${at}: by its path`, `${at}: mounted`];
  const otherwise = (to: string) => ({ branch: { when: "error", to } } as const);
  steps.heading(`the caller's ${at}: for reading and writing, and for nothing else`);
  const tree = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC;
  const path = `/proc/self/fd/${fd}`;
  const readOnly = struct(
    "mount_attr",
    ["attr_set", 8, k.MOUNT_ATTR_RDONLY],
    ["attr_clr", 8, 0],
    ["propagation", 8, 0],
    ["userns_fd", 8, 0],
  );
  steps.attempt("see what it was opened for", "fcntl", [fd, k.F_GETFL, 0], {
    store: mode,
    ...otherwise(done),
  });
  steps.compute("and", [mode, k.O_ACCMODE], { store: mode });
  steps.compute("add", [mode, k.O_CLOEXEC | k.O_NOCTTY], { store: mode });
  steps.attempt("make a mount of it", "open_tree", [k.AT_FDCWD, path, tree], {
    store: mount,
    ...otherwise(byPath),
  });
  steps.label(mounted);
  steps.attempt(
    "make it read-only",
    "mount_setattr",
    [mount, "", k.AT_EMPTY_PATH, readOnly, 32],
    otherwise(close),
  );
  steps.attempt(
    "give it a number",
    "dup3",
    [mount, STREAM_MOUNT, k.O_CLOEXEC],
    otherwise(close),
  );
  const again = `/proc/self/fd/${STREAM_MOUNT}`;
  steps.attempt("open it by that", "openat", [k.AT_FDCWD, again, mode, 0], {
    store: file,
    ...otherwise(closeNumber),
  });
  if (isFile) {
    // What the apps read moves only the new descriptor.
    steps.attempt("see how far it is read", "lseek", [fd, 0, k.SEEK_CUR], { store: offset });
    steps.attempt("go on there", "lseek", [file, offset, k.SEEK_SET]);
  }
  steps.must("put it in the caller's place", "dup3", [file, fd, 0]);
  steps.attempt("close the other descriptor", "close", [file]);
  steps.label(closeNumber);
  steps.attempt("close the mount's number", "close", [STREAM_MOUNT]);
  steps.label(close);
  steps.attempt("close the mount", "close", [mount]);
  steps.goto(done);
  steps.label(byPath);
  mountByPath(steps, fd, mount, { mounted, close, done });
  steps.label(done);
}

/**
 * A stream that was opened in other mounts, as those of the caller are where rkt is root of a user namespace: only what is mounted
 * here can be mounted once more. Its path may lead elsewhere by now, so the file is compared.
 */
function mountByPath(
  steps: Section,
  fd: number,
  mount: Slot,
  to: { readonly mounted: string; readonly close: string; readonly done: string },
): void {
  const path = space(`path of stream ${fd}`, PATH);
  const [stream, found] = [
    space(`status of stream ${fd}`, STATX.bytes),
    space(`status by the path of stream ${fd}`, STATX.bytes),
  ];
  const [one, other] = [slot("number of the stream"), slot("number by its path")];
  steps.attempt("read where it is", "readlinkat", [
    k.AT_FDCWD,
    `/proc/self/fd/${fd}`,
    path,
    PATH - 1,
  ], { branch: { when: "error", to: to.done } });
  const tree = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC;
  steps.attempt("make a mount of what is there", "open_tree", [k.AT_FDCWD, path, tree], {
    store: mount,
    branch: { when: "error", to: to.done },
  });
  for (const [file, status] of [[fd, stream], [mount, found]] as const) {
    steps.attempt("see which file it is", "statx", [
      file,
      "",
      k.AT_EMPTY_PATH,
      k.STATX_BASIC_STATS,
      status,
    ], { branch: { when: "error", to: to.close } });
  }
  for (const field of [STATX.inode, STATX.device]) {
    steps.compute("load", [addressOf(stream, field)], { store: one });
    steps.compute("load", [addressOf(found, field)], { store: other });
    steps.compute("sub", [one, other], { store: one });
    steps.compute("let", [one], { branch: { when: "different", operand: 0, to: to.close } });
  }
  steps.goto(to.mounted);
}
