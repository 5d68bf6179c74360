/**
 * Opening the index. Everything in it but `remote` is also in the files of the store, so it is made
 * anew whenever it is missing, damaged or of another version.
 */
import { DatabaseSync } from "node:sqlite";
import { Failure } from "../failure.ts";
import { KernelError } from "../linux/errno.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import { exists } from "../linux/exists.ts";
import { printNote } from "../linux/printable.ts";
import { closeDescriptor, lockExclusive, openDirectory } from "../linux/lock.ts";
import { ImageIndex, INDEX_SCHEMA, INDEX_VERSION } from "./image_index.ts";
import { makeLayout } from "./make_layout.ts";

/** How long to wait for another process that writes, in milliseconds. */
const BUSY_TIMEOUT = 30_000;

function databasePath(dataDir: string): string {
  return `${dataDir}/cas/db/index.sqlite`;
}

/** Opens the index for reading. Who may not write to the store gets a copy in memory. */
export function openIndex(dataDir: string): ImageIndex {
  const path = databasePath(dataDir);
  try {
    return openFile(path) ?? makeLocked(dataDir);
  } catch (error) {
    if (isUnwritable(error)) return indexInMemory(dataDir);
    if (isDamage(error)) return makeLocked(dataDir);
    if (error instanceof KernelError) throw error;
    throw new Failure(`the store's index ${path}: ${reason(error)}`, undefined, { cause: error });
  }
}

function makeLocked(dataDir: string): ImageIndex {
  if (!exists(`${dataDir}/cas/db`)) return indexInMemory(dataDir);
  using _lock = lockIndex(dataDir);
  return openOrMake(dataDir);
}

/**
 * Changes the index. One process at a time: while it is at it there is no generation, so that no
 * answer is remembered that was read before the change; and after a crash there is none until the
 * next change, which is slower but never wrong.
 */
export function changeIndex(dataDir: string, change: (index: ImageIndex) => void): void {
  makeLayout(dataDir);
  using _lock = lockIndex(dataDir);
  const generation = `${dataDir}/cas/generation`;
  if (exists(generation)) Deno.removeSync(generation);
  {
    using index = openOrMake(dataDir);
    change(index);
  }
  // Lost in a crash: then there is none, which is right until the next change.
  const directory = `${dataDir}/cas/db`;
  replaceFile(generation, `${crypto.randomUUID()}\n`, { directory, durable: false });
}

function lockIndex(dataDir: string): Disposable {
  const path = `${dataDir}/cas/db`;
  const fd = openDirectory(path);
  lockExclusive(fd, path);
  return { [Symbol.dispose]: () => closeDescriptor(fd) };
}

/** Under the index lock: opens the index, or makes a new one in place of what is there. */
function openOrMake(dataDir: string): ImageIndex {
  const path = databasePath(dataDir);
  try {
    const index = openFile(path);
    if (index !== undefined) return index;
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  const temporary = `${dataDir}/cas/db/new.sqlite`;
  for (const old of ["", "-wal", "-shm", "-journal"]) removeIfThere(temporary + old);
  {
    using index = newIndex(temporary);
    index.rebuild(dataDir);
  }
  if (exists(`${dataDir}/cas/db/ql.db`)) {
    printNote(
      `the images that rkt 1 has stored in ${dataDir} can't be used: fetch them once more; cas/db/ql.db can be removed`,
    );
  }
  // The log of the old database must not be taken for the new one's.
  for (const old of ["-wal", "-shm", "-journal"]) removeIfThere(path + old);
  Deno.renameSync(temporary, path);
  const made = openFile(path);
  if (made === undefined) throw new Failure(`the store's index ${path} cannot be made`);
  return made;
}

/** Undefined where the file does not exist or has the tables of another version. */
function openFile(path: string): ImageIndex | undefined {
  if (!exists(path)) return undefined;
  const database = new DatabaseSync(path);
  try {
    // FULL: what was written is durable when the call returns, like everything else in the store.
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}; PRAGMA synchronous = FULL`);
    const row: Record<string, unknown> | undefined = database
      .prepare("SELECT version FROM version").get();
    if (row?.version === INDEX_VERSION) return new ImageIndex(database);
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return undefined;
}

function newIndex(path: string): ImageIndex {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(INDEX_SCHEMA);
  return new ImageIndex(database);
}

function indexInMemory(dataDir: string): ImageIndex {
  const index = newIndex(":memory:");
  index.rebuild(dataDir);
  return index;
}

function removeIfThere(path: string): void {
  if (exists(path)) Deno.removeSync(path);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * SQLite's words (https://www.sqlite.org/rescode.html, `sqlite3_errstr`): node:sqlite gives the code
 * with the errors of some calls only.
 */
const DAMAGE = /file is not a database|disk image is malformed|^no such (table|column)/;
const UNWRITABLE = /unable to open database file|attempt to write a readonly database/;

function isDamage(error: unknown): boolean {
  return DAMAGE.test(reason(error));
}

function isUnwritable(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || UNWRITABLE.test(reason(error));
}
