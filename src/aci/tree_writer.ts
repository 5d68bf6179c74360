/**
 * Creates what an archive holds below one directory, and never anything outside it.
 *
 * Every parent is opened by `openat2` below the root's descriptor with symbolic links forbidden; the
 * last component is only ever created, never followed or overwritten. So nothing depends on what an
 * archive has put there before, or on who else changes the tree meanwhile.
 */
import { isMountPoint } from "../linux/statx.ts";
import type { Creation, WriteOptions } from "./write_options.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import {
  type FileCalls,
  fileCalls,
  makedev,
  NameBuffer,
  openHow,
  TimesBuffer,
} from "../linux/files.ts";
import { bytesOf, type ByteString, byteStringOfText } from "../linux/byte_string.ts";
import type { TarEntry, TarKind } from "./tar/entry.ts";
import type { TreeTarget } from "./tree_target.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../linux/constants.ts";

/** Open directories that are kept. */
const MAX_OPEN_DIRECTORIES = 256;
/** Modes while a tree is made; the archive's are set when the contents are complete. */
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;
/** appc: parents that the archive does not list. */
const PARENT_MODE = 0o755;

const NODE_TYPES: ReadonlyMap<TarKind, number> = new Map([
  ["character device", S_IFCHR],
  ["block device", S_IFBLK],
  ["fifo", S_IFIFO],
]);

/** Writes one tree. Call {@linkcode finish} at the end: directories get their owners, modes and times then. */
export class TreeWriter implements TreeTarget, Disposable {
  readonly #calls: FileCalls = fileCalls();
  readonly #root: number;
  readonly #privileged: boolean;
  readonly #special: boolean;
  readonly #nodes: boolean;
  readonly #mapUid: (uid: number) => number;
  readonly #mapGid: (gid: number) => number;
  readonly #merge: boolean;
  readonly #how: Uint8Array<ArrayBuffer>;
  readonly #name = new NameBuffer();
  readonly #otherName = new NameBuffer();
  readonly #times = new TimesBuffer();
  /** Open directories by path, the least recently opened first. */
  readonly #open = new Map<ByteString, number>();
  #lastPath: ByteString = "";
  #lastFd: number;
  /** Directories that an archive listed: their metadata come at the end. */
  readonly #directories = new Map<ByteString, TarEntry>();
  #file = -1;

  /**
   * @param directory the root of the tree; it exists
   * @throws {KernelError}
   */
  constructor(directory: string, ownership: WriteOptions = {}) {
    this.#merge = ownership.merge === true;
    this.#how = openHow(
      O_RDONLY | O_DIRECTORY | O_CLOEXEC,
      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
        (this.#merge ? 0 : RESOLVE_NO_XDEV),
    );
    this.#privileged = ownership.privileged ?? true;
    this.#special = ownership.special ?? true;
    this.#nodes = this.#privileged && this.#special && ownership.nodes !== false;
    this.#mapUid = ownership.mapUid ?? ((uid) => uid);
    this.#mapGid = ownership.mapGid ?? ((gid) => gid);
    const root = this.#name.of(byteStringOfText(directory));
    this.#root = this.#calls.openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (this.#root < 0) throw new KernelError(-this.#root, `open directory ${directory}`);
    this.#lastFd = this.#root;
  }

  /**
   * Creates what `entry` is, but for hardlinks, at `path` below the root ("" is the root itself). A
   * file is then open for {@linkcode data} until {@linkcode end}.
   *
   * @throws {KernelError}
   */
  create(path: ByteString, entry: TarEntry): Creation {
    if (entry.kind === "directory") return this.#createDirectory(path, entry);
    const parent = this.#parent(path);
    if (parent < 0) return "blocked";
    const name = this.#name.of(path.slice(path.lastIndexOf("/") + 1));
    if (entry.kind === "file") return this.#createFile(parent, name);
    if (entry.kind === "symlink") return this.#createSymlink(parent, name, entry);
    return this.#createNode(parent, name, entry);
  }

  /** Writes `chunk[from, to)` to the open file; `offset` matters in sparse files only. */
  data(entry: TarEntry, chunk: Uint8Array, from: number, to: number, offset: number): void {
    while (from < to) {
      const part = chunk.subarray(from, to) as Uint8Array<ArrayBuffer>;
      const n = entry.sparse
        ? this.#calls.pwrite(this.#file, part, offset)
        : this.#calls.write(this.#file, part);
      if (n === -ERRNO.EINTR) continue;
      if (n < 0) throw new KernelError(-n, "write");
      from += n;
      offset += n;
    }
  }

  /** Completes the open file: size, owner, mode, attributes, times, in the order that keeps each. */
  end(entry: TarEntry): void {
    const fd = this.#file;
    if (entry.sparse) {
      this.#check(this.#calls.ftruncate(fd, entry.size), "set its size");
    }
    this.#applyMetadata(fd, entry);
    this.#calls.close(fd);
    this.#file = -1;
  }

  /**
   * Links `path` to what `target` is (a symlink is not followed).
   *
   * @throws {KernelError}
   */
  link(path: ByteString, target: ByteString): Creation {
    const parent = this.#parent(path);
    if (parent < 0) return "blocked";
    const targetParent = this.#directory(target.slice(0, Math.max(0, target.lastIndexOf("/"))));
    if (targetParent < 0) throw new KernelError(ERRNO.ENOTDIR, "link to its target");
    const name = this.#name.of(path.slice(path.lastIndexOf("/") + 1));
    const targetName = this.#otherName.of(target.slice(target.lastIndexOf("/") + 1));
    const link = () => this.#calls.linkat(targetParent, targetName, parent, name);
    return this.#creating(link, parent, name, "link to its target");
  }

  /** Keeps a name for a link whose target is still to come. */
  reserve(path: ByteString): Creation {
    const parent = this.#parent(path);
    if (parent < 0) return "blocked";
    const created = this.#createFile(parent, this.#name.of(path.slice(path.lastIndexOf("/") + 1)));
    if (created === "created") this.#closeFile();
    return created;
  }

  /** Gives a reserved name free. */
  release(path: ByteString): void {
    const name = this.#name.of(path.slice(path.lastIndexOf("/") + 1));
    this.#check(this.#calls.unlinkat(this.#parent(path), name), "unlink");
  }

  /**
   * Gives the directories their owners, modes, attributes and times, each after what is in it.
   *
   * @throws {KernelError}
   */
  finish(): void {
    for (const path of [...this.#directories.keys()].sort().reverse()) {
      const entry = this.#directories.get(path);
      const fd = this.#directory(path);
      if (entry === undefined) continue;
      if (fd < 0) throw new KernelError(ERRNO.ENOTDIR, `open directory ${entry.path}`);
      this.#applyMetadata(fd, entry);
    }
  }

  [Symbol.dispose](): void {
    this.#closeFile();
    for (const fd of this.#open.values()) this.#calls.close(fd);
    this.#open.clear();
    this.#calls.close(this.#root);
  }

  #createDirectory(path: ByteString, entry: TarEntry): Creation {
    if (this.#directories.has(path)) return "exists";
    if (path === "" && this.#merge) return "exists";
    if (path !== "") {
      const parent = this.#parent(path);
      if (parent < 0) return "blocked";
      const name = this.#name.of(path.slice(path.lastIndexOf("/") + 1));
      const made = this.#calls.mkdirat(parent, name, PRIVATE_DIRECTORY);
      if (made < 0) {
        existsOr(made, "make the directory");
        // Made as a parent before: then this entry says what it is to be like.
        if (this.#directory(path) < 0) return this.#merge ? "blocked" : "exists";
        if (this.#merge) return "exists";
      }
    }
    this.#directories.set(path, entry);
    return "created";
  }

  #createFile(parent: number, name: Uint8Array<ArrayBuffer>): Creation {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    let fd = -1;
    const open = () => fd = this.#calls.openat(parent, name, flags, PRIVATE_FILE);
    if (this.#merge && isMountPoint(parent, name)) return this.#overwriteFile(parent, name);
    const created = this.#creating(open, parent, name, "create the file");
    if (created === "created") this.#file = fd;
    return created;
  }

  /** What is mounted somewhere keeps its inode: to remove its name would take the mount away. */
  #overwriteFile(parent: number, name: Uint8Array<ArrayBuffer>): Creation {
    const flags = O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    this.#file = this.#calls.openat(parent, name, flags, 0);
    this.#check(this.#file, "open what is mounted there");
    return "created";
  }

  /** Creates something; where that has to be replaced, what has its name is removed first. */
  #creating(
    create: () => number,
    parent: number,
    name: Uint8Array<ArrayBuffer>,
    doing: string,
  ): Creation {
    const made = create();
    if (made >= 0) return "created";
    const found = existsOr(made, doing);
    if (!this.#merge) return found;
    this.#check(this.#calls.unlinkat(parent, name), "replace what is there");
    this.#check(create(), doing);
    return "created";
  }

  #createSymlink(parent: number, name: Uint8Array<ArrayBuffer>, entry: TarEntry): Creation {
    const target = this.#otherName.of(entry.link);
    const create = () => this.#calls.symlinkat(target, parent, name);
    const created = this.#creating(create, parent, name, "make the symlink");
    if (created === "created") this.#applyByName(parent, name, entry);
    return created;
  }

  #createNode(parent: number, name: Uint8Array<ArrayBuffer>, entry: TarEntry): Creation {
    if (!this.#nodes && entry.kind !== "fifo") return "created";
    const type = NODE_TYPES.get(entry.kind);
    if (type === undefined) throw new Error(`a ${entry.kind} is no node`);
    const mode = type | (this.#merge ? entry.mode & 0o777 : PRIVATE_FILE);
    const device = makedev(entry.major, entry.minor);
    const create = () => this.#calls.mknodat(parent, name, mode, device);
    const created = this.#creating(create, parent, name, `make the ${entry.kind}`);
    if (created === "created") this.#applyByName(parent, name, entry);
    return created;
  }

  /** Owner, mode and times of what has been created just now and cannot be opened without side effects. */
  #applyByName(parent: number, name: Uint8Array<ArrayBuffer>, entry: TarEntry): void {
    const calls = this.#calls;
    if (this.#privileged) {
      const [uid, gid] = [this.#mapUid(entry.uid), this.#mapGid(entry.gid)];
      this.#check(calls.fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW), "change its owner");
    }
    // By its name it could be a link by now, if others write to the directory too; so it was made with its mode then.
    if (entry.kind !== "symlink" && !this.#merge) {
      this.#check(calls.fchmodat(parent, name, this.#modeOf(entry)), "change its mode");
    }
    const times = this.#times.of(entry.mtime, entry.mtimeNs);
    this.#check(calls.utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW), "set its time");
  }

  // The owner first: changing it clears setuid, setgid and capabilities.
  #applyMetadata(fd: number, entry: TarEntry): void {
    const calls = this.#calls;
    if (this.#privileged) {
      const [uid, gid] = [this.#mapUid(entry.uid), this.#mapGid(entry.gid)];
      this.#check(calls.fchown(fd, uid, gid), "change its owner");
    }
    // Before the mode: without privileges a read-only file takes no attributes.
    if (entry.xattrs.size > 0) this.#applyXattrs(fd, entry);
    this.#check(calls.fchmod(fd, this.#modeOf(entry)), "change its mode");
    this.#check(calls.futimens(fd, this.#times.of(entry.mtime, entry.mtimeNs)), "set its time");
  }

  /** Of directories, setgid only says what group new files have. */
  #modeOf({ kind, mode }: TarEntry): number {
    return this.#special || kind === "directory" ? mode : mode & 0o1777;
  }

  #applyXattrs(fd: number, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      const isCapability = name === "security.capability";
      if (isCapability && !(this.#privileged && this.#special && entry.kind === "file")) continue;
      // `user.overlay.*` would steer an overlay that is mounted with `userxattr`.
      const isUser = name.startsWith("user.") && !name.startsWith("user.overlay.");
      if (!isUser && !isCapability) continue;
      if (name.includes("\0")) throw new KernelError(ERRNO.EINVAL, `set its attribute ${name}`);
      // A pointer to an empty buffer may be null, which the kernel takes as "no value" too.
      const bytes = (value.length > 0 ? value : new Uint8Array(1)) as Uint8Array<ArrayBuffer>;
      const cname = bytesOf(name + "\0");
      const result = this.#calls.fsetxattr(fd, cname, bytes, value.length);
      // File systems without user attributes (tmpfs before Linux 6.6) must still do; capabilities matter.
      if (isUser && result === -ERRNO.EOPNOTSUPP) continue;
      this.#check(result, `set its attribute ${name}`);
    }
  }

  #parent(path: ByteString): number {
    const slash = path.lastIndexOf("/");
    return slash < 0 ? this.#root : this.#directory(path.slice(0, slash));
  }

  /** A descriptor of a directory below the root, made if missing; -1: something else is in the way. */
  #directory(path: ByteString): number {
    if (path === this.#lastPath) return this.#lastFd;
    if (path === "") return this.#root;
    let fd = this.#open.get(path);
    if (fd === undefined) {
      fd = this.#openDirectory(path);
      if (fd < 0) return -1;
      if (this.#open.size >= MAX_OPEN_DIRECTORIES) this.#closeOldest();
      this.#open.set(path, fd);
    }
    this.#lastPath = path;
    this.#lastFd = fd;
    return fd;
  }

  #openDirectory(path: ByteString): number {
    const fd = this.#tryOpen(path);
    if (fd >= 0) return fd;
    if (fd === -ERRNO.ENOTDIR || fd === -ERRNO.ELOOP) return -1;
    if (fd !== -ERRNO.ENOENT) throw new KernelError(-fd, "open its directory");
    const parent = this.#parent(path);
    if (parent < 0) return -1;
    const name = this.#name.of(path.slice(path.lastIndexOf("/") + 1));
    this.#check(this.#calls.mkdirat(parent, name, PARENT_MODE), "make its directory");
    const made = this.#tryOpen(path);
    this.#check(made, "open its directory");
    // The umask has taken bits away.
    this.#check(this.#calls.fchmod(made, PARENT_MODE), "change the mode of its directory");
    if (this.#privileged) {
      const [uid, gid] = [this.#mapUid(0), this.#mapGid(0)];
      this.#check(this.#calls.fchown(made, uid, gid), "change the owner of its directory");
    }
    return made;
  }

  #tryOpen(path: ByteString): number {
    const name = this.#otherName.of(path);
    return this.#calls.openat2(this.#root, name, this.#how);
  }

  #closeOldest(): void {
    for (const [path, fd] of this.#open) {
      this.#calls.close(fd);
      this.#open.delete(path);
      if (path === this.#lastPath) {
        this.#lastPath = "";
        this.#lastFd = this.#root;
      }
      return;
    }
  }

  #closeFile(): void {
    if (this.#file >= 0) this.#calls.close(this.#file);
    this.#file = -1;
  }

  #check(result: number, doing: string): void {
    if (result < 0) throw new KernelError(-result, doing);
  }
}

/** `exists` for a creation that failed because the name is taken; every other failure is thrown. */
function existsOr(result: number, doing: string): Creation {
  if (result === -ERRNO.EEXIST) return "exists";
  throw new KernelError(-result, doing);
}
