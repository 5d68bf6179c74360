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

/**
 * Writes a file so that after a crash there is the whole of it or none of it: temporary file, fsync,
 * rename, fsync of the directory.
 *
 * @param temporary a path on the same file system that nobody else uses
 */
export function writeDurably(path: string, text: string, temporary: string): void {
  {
    using file = Deno.openSync(temporary, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o644,
    });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
  }
  Deno.renameSync(temporary, path);
  syncDirectory(path.slice(0, path.lastIndexOf("/")));
}
