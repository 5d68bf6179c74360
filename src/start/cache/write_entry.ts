/** Writing and removing entries of starts. */
import { absolute } from "../absolute.ts";
import { ENTRY_MODE, entryName, HEADER } from "../../../stage1/launcher/start_entry.ts";
import { quietly } from "../../linux/clean_up.ts";
import { isEntry, openStarts, removeEntry, type StartsDirectory } from "./starts_directory.ts";

/**
 * At most so many entries are there, of some 200 KB each. Those that were not used for longest go first, several at once: to look
 * at all of them takes as long as to write one.
 */
const MOST_ENTRIES = 128;
const REMOVED_AT_ONCE = 32;

/**
 * Writes an entry, in place of one of the same key. Whoever reads meanwhile finds the old one or the new one, whole.
 *
 * @throws {Error} what the file system says, as where it is full
 */
export function writeEntry(
  { path }: StartsDirectory,
  key: Uint8Array,
  entry: Uint8Array,
): void {
  makeRoom(path);
  const temporary = `${path}/${IN_WORK}${crypto.randomUUID()}`;
  const file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
  try {
    for (let at = 0; at < entry.length;) at += file.writeSync(entry.subarray(at));
    file.close();
    Deno.chmodSync(temporary, ENTRY_MODE & 0o7777); // whatever the caller's umask is
    replace(path, temporary, entryName(key));
  } catch (error) {
    quietly(() => Deno.removeSync(temporary));
    throw error;
  }
}

/** Gives a file the name of an entry, whatever has it. */
function replace(path: string, temporary: string, name: string): void {
  try {
    Deno.renameSync(temporary, `${path}/${name}`);
  } catch {
    removeEntry(path, name); // a directory
    Deno.renameSync(temporary, `${path}/${name}`);
  }
}

/** Removes the entries that were not used for longest, where there are too many. */
function makeRoom(path: string): void {
  const names = Array.from(Deno.readDirSync(path), ({ name }) => name);
  if (names.length < MOST_ENTRIES) return;
  const used = (name: string): number => {
    try {
      return Deno.lstatSync(`${path}/${name}`).atime?.getTime() ?? 0;
    } catch {
      return 0; // another has removed it
    }
  };
  const oldest = names.map((name) => ({ name, used: used(name) })).toSorted((a, b) =>
    a.used - b.used
  );
  for (const { name } of oldest.slice(0, names.length - MOST_ENTRIES + REMOVED_AT_ONCE)) {
    removeEntry(path, name);
  }
}

/** What is being written has a name that begins with this. */
const IN_WORK = ".";

/** So old is what nobody writes any more, in milliseconds. */
const ABANDONED = 60_000;

/**
 * Removes what killed writers have left, what is no entry, and the entries of a data directory that can't be replayed any
 * more: an image has come or gone since they were kept.
 *
 * @param dataDir where images and pods are
 */
export function sweepStarts(dataDir: string): void {
  using directory = openStarts(false);
  if (directory === undefined) return;
  const generation = generationOf(absolute(dataDir));
  for (const { name } of Deno.readDirSync(directory.path)) {
    const path = `${directory.path}/${name}`;
    try {
      const stale = name.startsWith(IN_WORK)
        ? isAbandoned(path)
        : !isEntry(path) || !isCurrent(path, generation);
      if (stale) removeEntry(directory.path, name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function isAbandoned(path: string): boolean {
  const { mtime } = Deno.lstatSync(path);
  // A clock that was set back makes files of the future, which nobody writes either.
  return Math.abs(Date.now() - (mtime?.getTime() ?? 0)) > ABANDONED;
}

/** What an entry has as a condition: the path of the store's generation, and the generation itself. */
interface Generation {
  readonly path: string;
  readonly text: string | undefined;
}

function generationOf(dataDir: string): Generation {
  const path = `${dataDir}/cas/generation`;
  try {
    return { path, text: Deno.readTextFileSync(path) };
  } catch {
    return { path, text: undefined };
  }
}

/** Whether an entry is another data directory's, or of the generation that the store has now. */
function isCurrent(entry: string, { path, text }: Generation): boolean {
  const replay = new TextDecoder("latin1").decode(bytesBeforeProgram(entry));
  if (!replay.includes(path)) return true;
  return text !== undefined && (replay.includes(text) || replay.includes(btoa(text)));
}

/** An entry without its program, which is the most of it: its conditions stand before. */
function bytesBeforeProgram(entry: string): Uint8Array {
  using file = Deno.openSync(entry);
  const header = new Uint8Array(HEADER.bytes);
  const read = file.readSync(header) ?? 0;
  // What a damaged one says of itself is not to take all memory.
  const said = Number(new DataView(header.buffer).getBigUint64(HEADER.programAt, true));
  const bytes = new Uint8Array(Math.min(said, file.statSync().size));
  bytes.set(header.subarray(0, Math.min(read, bytes.length)));
  for (let at = read; at < bytes.length;) {
    const n = file.readSync(bytes.subarray(at));
    if (n === null) break; // another writes it anew
    at += n;
  }
  return bytes;
}
