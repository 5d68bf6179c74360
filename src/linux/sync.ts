/** Bringing things to the disk, so that they survive a crash of the machine. */
import { closeDescriptor, openDirectory } from "./lock.ts";
import { syscall } from "./syscall.ts";

function withDirectory(path: string, call: "fsync" | "syncfs"): void {
  const fd = openDirectory(path);
  try {
    syscall(`sync ${path}`, call, fd);
  } finally {
    closeDescriptor(fd);
  }
}

/** Makes the names in a directory durable: fsync(2) of the directory, after renames into it. */
export function syncDirectory(path: string): void {
  withDirectory(path, "fsync");
}

/** Makes everything on the directory's file system durable: syncfs(2), for whole trees. */
export function syncFileSystem(path: string): void {
  withDirectory(path, "syncfs");
}
