/** Steps that delete all that is in a directory, for a process without a runtime; src/linux/delete_tree.ts does it for rkt. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { type Section, type Slot, slot, space, struct } from "../engine/plan.ts";

/** So many levels below the directory are gone through. */
const MOST_LEVELS = 32;

/** So many directories with something in them are emptied: a file system that keeps one full does not hold this up for ever. */
const MOST_DIRECTORIES = 1 << 13;

/** How many bytes of directory entries are read at once. */
const ENTRIES_BYTES = 4096;

/** Offsets in `struct linux_dirent64` (getdents64(2)). */
const DIRENT = { length: 16, name: 19 } as const;

/** How a directory in it is opened: neither through a link nor into another file system. */
const HOW = struct(
  "open_how of a directory in it",
  ["flags", 8, k.O_DIRECTORY | k.O_NOFOLLOW | k.O_CLOEXEC],
  ["mode", 8, 0],
  ["resolve", 8, k.RESOLVE_NO_XDEV | k.RESOLVE_NO_SYMLINKS | k.RESOLVE_BENEATH],
);
const HOW_SIZE = 24;

/** What the steps work with. */
interface Walk {
  /** The descriptor of the directory that is read. */
  readonly directory: Slot;
  /** Where that descriptor is kept, in a list that has one for each level. */
  readonly level: Slot;
  /** How many directories may still be entered. */
  readonly left: Slot;
  /** The address of an entry's name. */
  readonly name: Slot;
  readonly result: Slot;
  /** Where it goes on when something is unusual. */
  readonly otherwise: string;
}

/**
 * Empties a directory. Each directory is read again when one in it is empty, until nothing is left.
 *
 * @param top a descriptor of the directory, which stays open
 * @param otherwise the label where it goes on when anything is unusual, like a mount: then the rest is left, and so are
 * descriptors
 */
export function emptyDirectory(s: Section, top: Slot, otherwise: string): void {
  const levels = space("directories that are emptied", 8 * MOST_LEVELS);
  const entries = space("directory entries", ENTRIES_BYTES);
  const walk: Walk = {
    directory: slot("directory that is emptied"),
    level: slot("its level"),
    left: slot("directories that may be entered"),
    name: slot("name of an entry"),
    result: slot("result of a removal"),
    otherwise,
  };
  const { directory, level, left, result } = walk;
  const [entry, end] = [slot("entry"), slot("end of the entries")];
  s.set(level, levels);
  s.set(directory, top);
  s.set(left, MOST_DIRECTORIES);
  s.compute("put", [level, directory]);
  s.label("empty: read");
  s.attempt("read what is in it", "getdents64", [directory, entries, ENTRIES_BYTES], {
    store: end,
    branch: { when: "error", to: otherwise },
  });
  s.when(end, 0, "empty: is it");
  s.compute("add", [end, entries], { store: end });
  s.set(entry, entries);
  s.label("empty: entry");
  s.compute("sub", [entry, end], { store: result });
  s.when(result, 0, "empty: read");
  removeEntry(s, walk, entry);

  s.label("empty: enter");
  s.compute("sub", [left, 1], {
    store: left,
    branch: { when: "equal", operand: 0, to: otherwise },
  });
  s.compute("add", [level, 8], { store: level });
  s.compute("sub", [level, levels], { store: result });
  s.when(result, 8 * MOST_LEVELS, otherwise);
  s.attempt("open a directory in it", "openat2", [directory, walk.name, HOW, HOW_SIZE], {
    store: directory,
    branch: { when: "error", to: otherwise },
  });
  s.compute("put", [level, directory]);
  s.goto("empty: read");

  s.label("empty: is it");
  s.compute("sub", [level, levels], { store: result });
  s.when(result, 0, "empty: all is gone");
  s.attempt("close it", "close", [directory]);
  s.compute("sub", [level, 8], { store: level });
  s.compute("load", [level], { store: directory });
  s.attempt("read the directory above it again", "lseek", [directory, 0, k.SEEK_SET]);
  s.goto("empty: read");
  s.label("empty: all is gone");
}

/** Removes an entry, and goes on with the next one at `empty: entry`; for a directory with something in it at `empty: enter`. */
function removeEntry(s: Section, walk: Walk, entry: Slot): void {
  const { directory, name, result, otherwise } = walk;
  const [word, type] = [slot("length, type and name"), slot("type of the entry")];
  s.compute("add", [entry, DIRENT.name], { store: name });
  s.compute("add", [entry, DIRENT.length], { store: word });
  s.compute("load", [word], { store: word });
  s.compute("and", [word, 0xffff], { store: result });
  s.compute("add", [entry, result], { store: entry });
  s.compute("shr", [word, 16], { store: word });
  s.compute("and", [word, 0xff], { store: type });
  s.compute("shr", [word, 8], { store: word });
  for (const [own, bytes] of [[".", 2], ["..", 3]] as const) {
    // With the zero byte at its end.
    s.compute("and", [word, 2 ** (8 * bytes) - 1], { store: result });
    s.when(
      result,
      [...own].reduce((sum, char, i) => sum + char.charCodeAt(0) * 256 ** i, 0),
      "empty: entry",
    );
  }
  s.when(type, k.DT_DIR, "empty: a directory");
  s.attempt("remove a file", "unlinkat", [directory, name, 0], { store: result });
  s.when(result, 0, "empty: entry");
  s.when(result, -ERRNO.ENOENT, "empty: entry");
  // Some file systems don't tell the type.
  s.compute("let", [result], {
    branch: { when: "different", operand: -ERRNO.EISDIR, to: otherwise },
  });
  s.label("empty: a directory");
  s.attempt("remove a directory", "unlinkat", [directory, name, k.AT_REMOVEDIR], { store: result });
  s.when(result, 0, "empty: entry");
  s.when(result, -ERRNO.ENOENT, "empty: entry");
  s.compute("let", [result], {
    branch: { when: "different", operand: -ERRNO.ENOTEMPTY, to: otherwise },
  });
}
