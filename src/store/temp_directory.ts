/**
 * Unfinished work of the store: a directory in `cas/tmp`, locked by who works in it. One without a
 * lock is what a killed process has left, and whoever comes next deletes it.
 */
import { closeLater } from "./close_later.ts";
import { deleteTree, type Deletion } from "../linux/delete_tree.ts";
import { AT_FDCWD, O_CLOEXEC, O_NOFOLLOW } from "../linux/constants.ts";
import { exists, ifThere } from "../linux/exists.ts";
import {
  closeDescriptor,
  lockExclusive,
  openDirectoryIfThere,
  tryLockExclusive,
} from "../linux/lock.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { makeLayout } from "./make_layout.ts";

/** So many bytes are worth not waiting for, and so many files are open at most. */
const BIG_FILE = 16 * 1024 * 1024;
const MOST_OPEN = 256;

/** A private directory that is deleted, with what is left in it, when it is disposed. */
export class TempDirectory implements Disposable {
  readonly #fd: number;
  #moved = 0;

  private constructor(readonly path: string, fd: number) {
    this.#fd = fd;
  }

  /** Makes one (0700: nobody has judged yet what will be in it) and removes the abandoned ones. */
  static create(dataDir: string): TempDirectory {
    makeLayout(dataDir);
    sweepTemp(dataDir);
    while (true) {
      const path = `${dataDir}/cas/tmp/${crypto.randomUUID()}`;
      Deno.mkdirSync(path, { mode: 0o700 });
      const fd = openDirectoryIfThere(path);
      if (fd === undefined) continue; // Swept between mkdir and lock: it looked abandoned.
      lockExclusive(fd, path);
      if (exists(path)) return new TempDirectory(path, fd);
      closeDescriptor(fd);
    }
  }

  /** Moves something of the store in here, to be deleted with the rest. Missing things are fine. */
  take(path: string): void {
    try {
      Deno.renameSync(path, `${this.path}/${this.#moved++}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Deletes the directory now, for whoever wants to know what that has freed. Nobody waits for the blocks of big files. */
  delete(): Deletion {
    const big = this.#openBigFiles();
    try {
      return deleteTree(this.path, "unmount");
    } finally {
      closeLater(big);
    }
  }

  /** Of what was moved in here, which others can't change: it stays until it is closed. */
  #openBigFiles(): number[] {
    const files = [];
    for (let i = 0; i < this.#moved && files.length < MOST_OPEN; i++) {
      const path = `${this.path}/${i}`;
      const found = ifThere(() => Deno.lstatSync(path));
      if (found?.isFile !== true || found.size < BIG_FILE) continue;
      const file = trySyscall("openat", AT_FDCWD, cstring(path), O_CLOEXEC | O_NOFOLLOW);
      if (file >= 0) files.push(file);
    }
    return files;
  }

  [Symbol.dispose](): void {
    this.delete();
    closeDescriptor(this.#fd);
  }
}

/** What {@linkcode sweepTemp} did. */
export interface Sweep {
  /** Bytes of disk space given back. */
  readonly freed: number;
  /** What could not be deleted, and why. */
  readonly left: readonly string[];
}

/** Deletes what killed processes have left in `cas/tmp`, and nothing that is still worked on. */
export function sweepTemp(dataDir: string): Sweep {
  const root = `${dataDir}/cas/tmp`;
  let freed = 0;
  const left = [];
  for (const { name } of exists(root) ? Deno.readDirSync(root) : []) {
    const path = `${root}/${name}`;
    const fd = openDirectoryIfThere(path);
    if (fd === undefined) continue;
    try {
      if (!tryLockExclusive(fd, path)) continue;
      const deletion = deleteTree(path, "unmount");
      freed += deletion.freed;
      if (deletion.left !== undefined) left.push(`${path}/${deletion.left}`);
    } finally {
      closeDescriptor(fd);
    }
  }
  return { freed, left };
}
