/**
 * What an App Container Image may consist of (appc spec "App Container Image Archives"): a file
 * `manifest`, a directory `rootfs` and what is below it; nothing else, nothing twice, nothing that
 * depends on the order in which a reader happens to follow links.
 */
import { ArchiveError } from "./bytes/archive_error.ts";
import { type ByteString, shown } from "../linux/byte_string.ts";
import type { TarEntry } from "./tar/entry.ts";

/** Largest manifest that is held in memory. Real ones have a few KB. */
export const MAX_MANIFEST = 4 << 20;
/** Entries of one image, and bytes of all their names: what the check for duplicates may hold in memory. */
export const MAX_ENTRIES = 2_000_000;
export const MAX_NAME_BYTES = 128 << 20;

/** The top-level names. */
export const MANIFEST = "manifest";
export const ROOTFS = "rootfs";

// An empty, `.` or `..` component.
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

const enum Seen {
  /** Only as a parent of something. */
  Parent = 0,
  Directory = 1,
  Other = 2,
}

/** Checks the entries of one image, in their order. */
export class StructureCheck {
  readonly #archive: string;
  readonly #seen = new Map<ByteString, Seen>();
  #nameBytes = 0;
  #lastParent = "";

  /** @param archive what the archive is called in messages */
  constructor(archive: string) {
    this.#archive = archive;
  }

  /**
   * Checks an entry against the rules and all entries before it.
   *
   * @returns the entry with its path (and a hardlink's target) cleaned; undefined for the directory `.` that `tar -cf x.aci .`
   *   writes, which says nothing
   * @throws {ArchiveError}
   */
  entry(entry: TarEntry): TarEntry | undefined {
    const path = this.#clean(entry, entry.path, "name");
    const kind = entry.kind;
    if (path === "" && kind === "directory") return undefined;
    const isRootfs = path === ROOTFS;
    if (path === MANIFEST) {
      if (kind !== "file") this.#fail(entry, `is a ${kind}; it has to be a file`);
      if (entry.size > MAX_MANIFEST) {
        this.#fail(entry, `has ${entry.size} bytes; at most ${MAX_MANIFEST} are accepted`);
      }
    } else if (!isRootfs && !path.startsWith("rootfs/")) {
      this.#fail(
        entry,
        "is neither `manifest` nor below `rootfs`, and nothing else may be in an image",
      );
    }
    if (isRootfs && kind !== "directory") {
      this.#fail(entry, `is a ${kind}; it has to be a directory`);
    }
    this.#add(entry, path);
    if (kind !== "hardlink") return path === entry.path ? entry : { ...entry, path };
    const link = this.#clean(entry, entry.link, "target");
    if (!link.startsWith("rootfs/")) {
      this.#fail(entry, `is a hardlink to ${shown(entry.link)}, which is outside \`rootfs\``);
    }
    if (link === path) this.#fail(entry, "is a hardlink to itself");
    return { ...entry, path, link };
  }

  /** At the archive's end: insists that both parts are there. */
  finish(): void {
    for (const name of [MANIFEST, ROOTFS]) {
      if (!this.#seen.has(name)) {
        throw new ArchiveError(`${this.#archive}: not an image: it has no \`${name}\``);
      }
    }
  }

  #clean(entry: TarEntry, path: ByteString, what: "name" | "target"): ByteString {
    if (!UNCLEAN.test(path)) return path;
    const target = what === "name" ? "" : ` target ${shown(path)}`;
    if (path.startsWith("/")) this.#fail(entry, `has an absolute${target || " name"}`);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) this.#fail(entry, `has \`..\` in its${target || " name"}`);
    return parts.join("/");
  }

  #add(entry: TarEntry, path: ByteString): void {
    const isDirectory = entry.kind === "directory";
    const before = this.#seen.get(path);
    if (before === Seen.Directory || before === Seen.Other) {
      this.#fail(entry, "is in the archive twice");
    }
    if (before === Seen.Parent && !isDirectory) {
      this.#fail(entry, `is a ${entry.kind}, but entries before it are below it`);
    }
    this.#parents(entry, path);
    this.#set(path, isDirectory ? Seen.Directory : Seen.Other);
  }

  #parents(entry: TarEntry, path: ByteString): void {
    const slash = path.lastIndexOf("/");
    if (slash < 0) return;
    const parent = path.slice(0, slash);
    // Entries come a directory at a time.
    if (parent === this.#lastParent) return;
    const seen = this.#seen.get(parent);
    if (seen === Seen.Other) {
      this.#fail(entry, `is below ${shown(parent)}, which is no directory in this archive`);
    }
    if (seen === undefined) {
      this.#parents(entry, parent);
      this.#set(parent, Seen.Parent);
    }
    this.#lastParent = parent;
  }

  #set(path: ByteString, seen: Seen): void {
    this.#seen.set(path, seen);
    this.#nameBytes += path.length;
    if (this.#seen.size > MAX_ENTRIES || this.#nameBytes > MAX_NAME_BYTES) {
      throw new ArchiveError(
        `${this.#archive}: too many entries: at most ${MAX_ENTRIES}, with names of ${
          MAX_NAME_BYTES >> 20
        } MiB together, are accepted`,
      );
    }
  }

  #fail(entry: TarEntry, what: string): never {
    throw new ArchiveError(
      `${this.#archive}: entry ${shown(entry.path)} at byte ${entry.offset} ${what}`,
    );
  }
}
