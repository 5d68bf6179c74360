/**
 * The users and groups of an image: names in its passwd and group files, owners of its files. An image is not trusted:
 * its files are opened below its root, and read up to a limit.
 */
import { Failure } from "../../src/failure.ts";
import { ERRNO, errnoText } from "../../src/linux/errno.ts";
import { cstring, trySyscall } from "../../src/linux/syscall.ts";
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../../src/linux/constants.ts";

/** The largest passwd or group file that is read, in bytes. */
const LARGEST_FILE = 4 << 20;

/** A directory of an image. */
export interface ImageDirectory {
  /** On the host, without links. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isEmpty: boolean;
}

/** A rendered tree, in which paths of an app are looked up. */
export class ImageRoot implements Disposable {
  readonly #fd: number;

  /**
   * @param path the tree's root on the host; empty if it is not rendered yet
   * @param looked called with the host path of every file that is looked at
   */
  constructor(readonly path: string, readonly looked?: (path: string) => void) {
    if (path === "") {
      this.#fd = -1;
      return;
    }
    this.#fd = trySyscall("openat", AT_FDCWD, cstring(path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (this.#fd < 0) {
      const tree = path.replace(/\/rootfs$/, "");
      throw new Failure(`the image's tree ${path} is gone; delete ${tree}, then it is made again`);
    }
  }

  /**
   * Opens a path as the app would see it: links lead below the root only.
   *
   * @returns a descriptor for {@linkcode Deno.statSync} by /proc/self/fd, or the negative error number
   */
  #open(path: string, flags: number): number {
    const how = new BigUint64Array([
      BigInt(flags | O_CLOEXEC),
      0n,
      BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
    ]);
    return trySyscall("openat2", this.#fd, cstring(path), new Uint8Array(how.buffer), 24);
  }

  /** The status of a path, links followed. Undefined if there is nothing. */
  stat(path: string): Deno.FileInfo | undefined {
    return this.#with(path, O_PATH, (fd) => Deno.statSync(`/proc/self/fd/${fd}`));
  }

  /** Opens a directory; undefined if there is none. The descriptor is the caller's to close. */
  openDirectory(path: string): number | undefined {
    const fd = this.#open(path, O_PATH | O_DIRECTORY);
    return fd < 0 ? undefined : fd;
  }

  /** The target of a symbolic link, links in its parents followed. Undefined if there is none. */
  link(path: string): string | undefined {
    return this.#with(path, O_PATH | O_NOFOLLOW, readLink);
  }

  /**
   * The content of a small text file. Undefined if there is none. What runs in the root may change it meanwhile: so it is read by
   * the descriptor by which it was looked at, and no further than it was long. Files of /proc, some of which would make one
   * wait, have no length.
   */
  read(path: string): string | undefined {
    return this.#with(path, O_PATH, (fd) => {
      const { isFile, size } = Deno.statSync(`/proc/self/fd/${fd}`);
      if (!isFile) return undefined;
      if (size > LARGEST_FILE) throw new Failure(`${path} of the image is larger than 4 MiB`);
      return size === 0 ? "" : readStart(`/proc/self/fd/${fd}`, size);
    });
  }

  /** The entries of a directory, links followed. Undefined if there is none. */
  directory(path: string): ImageDirectory | undefined {
    return this.#with(path, O_PATH | O_DIRECTORY, (fd) => {
      const { mode, uid, gid } = Deno.statSync(`/proc/self/fd/${fd}`);
      const real = Deno.readLinkSync(`/proc/self/fd/${fd}`);
      const [first] = Deno.readDirSync(real);
      return {
        path: real,
        mode: (mode ?? 0) & 0o7777,
        uid: uid ?? 0,
        gid: gid ?? 0,
        isEmpty: first === undefined,
      };
    });
  }

  /** Whether there is a tree to look at. */
  get known(): boolean {
    return this.#fd >= 0;
  }

  #with<T>(path: string, flags: number, use: (fd: number) => T): T | undefined {
    if (!this.known) {
      throw new Failure(
        "the image is not in the store, so its files are not known; fetch it first",
      );
    }
    const fd = this.#open(path, flags);
    if (fd === -ERRNO.ENOENT || fd === -ERRNO.ENOTDIR || fd === -ERRNO.ELOOP) return undefined;
    if (fd < 0) throw new Failure(`${path} of the image can't be opened: ${errnoText(-fd)}`);
    try {
      // The link on the way, if it is one, and what it leads to below this root.
      this.looked?.(`${this.path}/${path}`);
      this.looked?.(Deno.readLinkSync(`/proc/self/fd/${fd}`));
      return use(fd);
    } finally {
      trySyscall("close", fd);
    }
  }

  [Symbol.dispose](): void {
    if (this.known) trySyscall("close", this.#fd);
  }
}

/** The first bytes of a file, as text. */
function readStart(path: string, size: number): string {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** `PATH_MAX` (include/uapi/linux/limits.h). */
const PATH_MAX = 4096;

/** The target of an open symbolic link. Undefined if the descriptor is no link. */
export function readLink(fd: number): string | undefined {
  const bytes = new Uint8Array(PATH_MAX);
  const length = trySyscall("readlinkat", fd, cstring(""), bytes, PATH_MAX);
  // ENOENT: it is no link.
  if (length < 0) return undefined;
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** The user of an app. */
export interface User {
  readonly uid: number;
  /** From the image's passwd, if the user is in it. */
  readonly name?: string;
  readonly home?: string;
  readonly shell?: string;
}

/** The user 0, even if the image has no passwd and group. */
const ROOT = "root";

/** 2^32-1 means "unchanged" to the kernel. */
const LARGEST_ID = 0xffff_fffe;

function number(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}

/** The lines of a passwd or group file, split at colons. */
function* entries(root: ImageRoot, path: string): Generator<string[]> {
  for (const line of (root.read(path) ?? "").split("\n")) {
    const fields = line.split(":");
    if (fields.length > 2) yield fields;
  }
}

/**
 * Resolves an app's user: a number, a path whose owner it is, or a name in the image's passwd. If the user is in passwd,
 * home directory and shell come from there.
 *
 * @throws {Failure} names the app
 */
export function resolveUser(root: ImageRoot, user: string, app: string): User {
  const byPath = user.startsWith("/") ? owner(root, user, app).uid ?? 0 : undefined;
  const uid = byPath ?? number(user);
  if (uid !== undefined && !root.known) return { uid };
  const known = [...entries(root, "etc/passwd")].flatMap(passwdUser);
  // A name may consist of digits, and goes before the number then, as for chown(1).
  const found = (byPath === undefined ? known.find(({ name }) => name === user) : undefined) ??
    known.find((each) => each.uid === uid);
  if (found !== undefined) return found;
  if (uid !== undefined) return { uid };
  if (user === ROOT) return { uid: 0 };
  throw new Failure(
    `app "${app}": there is no user "${user}" in the image's /etc/passwd; give a number with --user`,
  );
}

/** The user of a line of passwd(5). */
function passwdUser([name = "", , id = "", , , home, shell]: readonly string[]): readonly User[] {
  const uid = number(id);
  if (uid === undefined) return [];
  return [{
    uid,
    ...name !== "" && { name },
    ...home?.startsWith("/") && { home },
    ...shell?.startsWith("/") && { shell },
  }];
}

/**
 * Resolves an app's group, as {@linkcode resolveUser} does.
 *
 * @throws {Failure} names the app
 */
export function resolveGroup(root: ImageRoot, group: string, app: string): number {
  if (group.startsWith("/")) return owner(root, group, app).gid ?? 0;
  const gid = number(group);
  if (gid !== undefined && !root.known) return gid;
  for (const [name, , id] of entries(root, "etc/group")) {
    const found = number(id ?? "");
    if (name === group && found !== undefined) return found;
  }
  if (gid !== undefined) return gid;
  if (group === ROOT) return 0;
  throw new Failure(
    `app "${app}": there is no group "${group}" in the image's /etc/group; give a number with --group`,
  );
}

function owner(root: ImageRoot, path: string, app: string): Deno.FileInfo {
  const found = root.stat(path.slice(1));
  if (found === undefined) {
    throw new Failure(
      `app "${app}": the image has no ${path}, whose owner the app should run as; give a number with --user and --group`,
    );
  }
  return found;
}
