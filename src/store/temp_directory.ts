/**
 * Unfinished work of the store: a directory in `cas/tmp`, locked by who works in it. One without a
 * lock is what a killed process has left, and whoever comes next deletes it.
 */
import { deleteTree, type Deletion } from "../linux/delete_tree.ts";
import { exists } from "../linux/exists.ts";
import {
  closeDescriptor,
  lockExclusive,
  openDirectoryIfThere,
  tryLockExclusive,
} from "../linux/lock.ts";
import { makeLayout } from "./make_layout.ts";

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

  /** Deletes the directory now, for whoever wants to know what that has freed. */
  delete(): Deletion {
    return deleteTree(this.path, "unmount");
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
