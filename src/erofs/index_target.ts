/** Images merged into an index: what `TreeWriter` makes on a disk, made in memory. */
import type { TarEntry } from "../aci/tar/entry.ts";
import type { TreeTarget } from "../aci/tree_target.ts";
import type { Creation } from "../aci/write_options.ts";
import type { ByteString } from "../linux/byte_string.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import type { DataMap } from "./data_map.ts";
import { IndexTree, NONE, ROOT } from "./index_tree.ts";

/** Names of one file: ext4's limit, so that an image is refused alike whatever is made of it. */
const MAX_LINKS = 65_000;

/** Fills a tree. What exists stays; parents that no archive lists are made. */
export class IndexTarget implements TreeTarget {
  readonly tree = new IndexTree();
  readonly #mapOf: (id: string) => DataMap | undefined;
  /** Directories that an archive has listed. */
  readonly #listed = new Set<number>();
  /** Names of inodes that have more than one. */
  readonly #links = new Map<number, number>();
  #lastPath: ByteString = "";
  #lastDirectory = ROOT;

  /** @param mapOf says where what lies in an archive that is kept compressed, by its ID */
  constructor(mapOf: (id: string) => DataMap | undefined = () => undefined) {
    this.#mapOf = mapOf;
  }

  archive(id: string): void {
    this.tree.useDevice(id, this.#mapOf);
  }

  create(path: ByteString, entry: TarEntry): Creation {
    if (path === "") return this.#list(ROOT, entry);
    const parent = this.#parent(path);
    if (parent === NONE) return "blocked";
    const nameAt = path.lastIndexOf("/") + 1;
    const found = this.tree.find(parent, path, nameAt);
    if (found === NONE) {
      const inode = this.tree.newInode(entry);
      this.tree.add(parent, path, inode, nameAt);
      if (entry.kind === "directory") this.#listed.add(inode);
      return "created";
    }
    const inode = this.tree.inodeOf(found);
    if (entry.kind !== "directory" || !this.tree.isDirectory(inode)) return "exists";
    return this.#list(inode, entry);
  }

  /** A directory that was made as a parent before gets what an archive says of it. */
  #list(inode: number, entry: TarEntry): Creation {
    if (this.#listed.has(inode)) return "exists";
    this.#listed.add(inode);
    this.tree.describe(inode, entry);
    return "created";
  }

  data(): void {
    // They stay where they are.
  }

  end(): void {
    // The entry has said all.
  }

  link(path: ByteString, target: ByteString): Creation {
    const parent = this.#parent(path);
    if (parent === NONE) return "blocked";
    const targetParent = this.#parent(target);
    if (targetParent === NONE) throw new KernelError(ERRNO.ENOTDIR, "link to its target");
    const found = this.tree.find(targetParent, target, target.lastIndexOf("/") + 1);
    if (found === NONE) throw new KernelError(ERRNO.ENOENT, "link to its target");
    const nameAt = path.lastIndexOf("/") + 1;
    if (this.tree.find(parent, path, nameAt) !== NONE) return "exists";
    const inode = this.tree.inodeOf(found);
    const links = 1 + (this.#links.get(inode) ?? 1);
    if (links > MAX_LINKS) throw new KernelError(ERRNO.EMLINK, "link to its target");
    this.#links.set(inode, links);
    this.tree.add(parent, path, inode, nameAt);
    return "created";
  }

  reserve(path: ByteString): Creation {
    const parent = this.#parent(path);
    if (parent === NONE) return "blocked";
    const nameAt = path.lastIndexOf("/") + 1;
    if (this.tree.find(parent, path, nameAt) !== NONE) return "exists";
    this.tree.add(parent, path, this.tree.newPlaceholder(), nameAt);
    return "created";
  }

  release(path: ByteString): void {
    const parent = this.#parent(path);
    const found = this.tree.find(parent, path, path.lastIndexOf("/") + 1);
    if (found === NONE) throw new KernelError(ERRNO.ENOENT, "unlink");
    this.tree.remove(found);
  }

  /** The directory that a path is in, made where it is missing; {@linkcode NONE}: something else is in the way. */
  #parent(path: ByteString): number {
    const slash = path.lastIndexOf("/");
    if (slash < 0) return ROOT;
    if (this.#lastPath.length === slash && path.startsWith(this.#lastPath)) {
      return this.#lastDirectory;
    }
    let directory = ROOT;
    for (let from = 0; from < slash;) {
      const next = path.indexOf("/", from);
      const found = this.tree.find(directory, path, from, next);
      if (found === NONE) {
        const inode = this.tree.newDirectory();
        this.tree.add(directory, path, inode, from, next);
        directory = inode;
      } else {
        directory = this.tree.inodeOf(found);
        if (!this.tree.isDirectory(directory)) return NONE;
      }
      from = next + 1;
    }
    this.#lastPath = path.slice(0, slash);
    this.#lastDirectory = directory;
    return directory;
  }
}
