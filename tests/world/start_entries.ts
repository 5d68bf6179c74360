/** The entries of starts (src/start/cache) as files: all data directories' are in one place. */
import { STARTS_DIRECTORY, USER_STARTS } from "../../stage1/launcher/start_entry.ts";
import { USER } from "./rkt.ts";
import { exists } from "../../src/linux/exists.ts";

/** Where they are for who runs rkt here. */
export const ENTRIES = USER === undefined ? STARTS_DIRECTORY : `/run/user/${USER}/${USER_STARTS}`;

/** The paths of the entries whose starts are of a data directory. */
export function startEntries(dataDir: string): readonly string[] {
  if (!exists(ENTRIES)) return [];
  return [...Deno.readDirSync(ENTRIES)].filter(({ isFile }) => isFile)
    .map(({ name }) => `${ENTRIES}/${name}`).filter((path) => textOf(path).includes(dataDir))
    .sort();
}

/** The bytes of an entry as characters; nothing where it is gone. */
export function textOf(entry: string): string {
  try {
    return new TextDecoder("latin1").decode(Deno.readFileSync(entry));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** What is kept, so that one sees what was made anew: a new file each time that a run has worked out everything. */
export function keptStarts(dataDir: string): string {
  return startEntries(dataDir).flatMap((path) => {
    try {
      const { ino, mtime } = Deno.statSync(path);
      return [`${path} ${ino} ${mtime?.getTime()}`];
    } catch {
      return []; // it was one too many just now
    }
  }).join("\n");
}

/**
 * Whether nothing is kept anew while something is done: then all starts were replayed. That fewer are kept says nothing:
 * other tests' starts take the places of those that were not used for longest.
 */
export async function keepsStarts(dataDir: string, act: () => Promise<unknown>): Promise<boolean> {
  const before = keptStarts(dataDir).split("\n");
  await act();
  return keptStarts(dataDir).split("\n").every((kept) => kept === "" || before.includes(kept));
}
