/**
 * The image store: archives by their content, their manifests, and trees rendered from them.
 *
 * This module is on the way of `rkt run`, so it does what that needs with a handful of file system
 * calls: an image by ID is a file, a repeated query by name is two, a rendered tree is a link. The
 * rest (import, render, index, collection) is loaded when it is needed.
 */
import { STORE_KEY_LENGTH, type StoreKey } from "../appc/image_id.ts";
import type { ImageName } from "../appc/image_name.ts";
import { hasLabels, labelValue } from "../appc/label.ts";
import { Failure } from "../failure.ts";
import { ERRNO } from "../linux/errno.ts";
import { exists, ifThere } from "../linux/exists.ts";
import { closeDescriptor, lockExclusive, lockShared, openLockFile } from "../linux/lock.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import type { ByteSource } from "../aci/bytes/source.ts";
import type { ImageSource } from "../oci/image_source.ts";
import { imageValue } from "./image_value.ts";
import type { ImportOptions } from "./import_aci.ts";
import type { ImportOciOptions } from "./oci/import_oci.ts";
import { imagePath, shardPath } from "./layout.ts";
import { fillEtc, makeSkeleton } from "./skeleton.ts";
import type {
  HeldLock,
  ImageQuery,
  ImageStore,
  RenderedTree,
  StoredImage,
} from "./stored_image.ts";
import { treeRoot } from "./tree/tree_root.ts";
import { AT_FDCWD } from "../linux/constants.ts";

/** The store below a data directory. It holds nothing open; locks are taken where they are needed. */
export class Store implements ImageStore {
  /** @param dataDir `--dir`, like /var/lib/rkt; need not exist */
  constructor(readonly dataDir: string) {}

  /**
   * Finds an image: by ID, or the newest one that has the name and all of the labels.
   *
   * @param remember whether to write the answer down, for the next equal query: not for a command that only looks
   * @returns undefined where there is none
   * @throws {Failure} where an ID is ambiguous or malformed
   */
  async resolve(query: ImageQuery, remember = false): Promise<StoredImage | undefined> {
    if ("id" in query) return this.#byId(query.id);
    return this.#cached(query) ?? await this.#byName(query, remember);
  }

  /** Reads an image by its whole key. Undefined where it is not in the store. */
  read(key: StoreKey): StoredImage | undefined {
    const manifestText = readText(imagePath(this.dataDir, "imageManifest", key));
    return manifestText === undefined ? undefined : imageValue(this.dataDir, key, manifestText);
  }

  #byId(id: string): StoredImage | undefined {
    if (!/^(sha512-[0-9a-f]{2,128}|sha256-[0-9a-f]{2,64})$/.test(id)) {
      throw new Failure(
        `"${id}" is not an image ID: sha512- or sha256- and at least 2 hexadecimal digits`,
      );
    }
    if (id.length >= STORE_KEY_LENGTH) return this.read(id.slice(0, STORE_KEY_LENGTH) as StoreKey);
    const [key, ...others] = this.#keysBeginningWith(id);
    if (others.length > 0) {
      throw new Failure(
        `image ID "${id}" is ambiguous: ${others.length + 1} images begin so; give more digits`,
      );
    }
    return key === undefined ? undefined : this.read(key as StoreKey);
  }

  #keysBeginningWith(prefix: string): string[] {
    return ifThere(() =>
      [...Deno.readDirSync(shardPath(this.dataDir, "imageManifest", prefix))]
        .map((entry) => entry.name).filter((name) => name.startsWith(prefix))
    ) ?? [];
  }

  /** The answer that an earlier, equal query got, if nothing was imported since. */
  #cached(query: ImageName): StoredImage | undefined {
    const generation = this.#generation();
    if (generation === undefined) return undefined;
    const answer = readText(this.#answerPath(query));
    if (answer === undefined || !answer.startsWith(generation)) return undefined;
    return this.read(answer.slice(generation.length).trimEnd() as StoreKey);
  }

  async #byName(query: ImageName, remember: boolean): Promise<StoredImage | undefined> {
    // The generation is read first: an import from now on makes the answer below a stale one.
    const generation = this.#generation();
    const { openIndex } = await import("./open_index.ts");
    using index = openIndex(this.dataDir);
    for (
      const key of index.keysOfName(query.name, labelValue(query.labels, "version") === undefined)
    ) {
      const image = this.read(key);
      if (image === undefined || !hasLabels(image.manifest.labels, query.labels)) continue;
      if (remember && generation !== undefined) this.#remember(query, generation, key);
      return image;
    }
    return undefined;
  }

  #generation(): string | undefined {
    const generation = readText(`${this.dataDir}/cas/generation`);
    return generation?.length === GENERATION_LENGTH ? generation : undefined;
  }

  #answerPath({ name, labels }: ImageName): string {
    // Each part is encoded by itself: a value may have commas and equals signs.
    const parts = labels.flatMap(({ name, value }) => [name, value]);
    const text = [name, ...parts].map(encodeURIComponent).join(",");
    return `${this.dataDir}/cas/resolved/${text.slice(0, 255)}`;
  }

  #remember(query: ImageName, generation: string, key: StoreKey): void {
    const path = this.#answerPath(query);
    // A longer name would be cut, and then be the same for different queries.
    if (path.slice(path.lastIndexOf("/") + 1).length === 255) return;
    try {
      const temporary = `${this.dataDir}/cas/resolved/.${crypto.randomUUID()}`;
      Deno.writeTextFileSync(temporary, `${generation}${key}\n`, { createNew: true });
      Deno.renameSync(temporary, path);
    } catch {
      // Only a cache: a read-only store, or one without the directory, works as well without it.
    }
  }

  /** Notes that an image is used now: `image gc` spares what was used lately. */
  markUsed(image: StoredImage): void {
    // Without times: now. That it fails in a read-only store is no harm.
    const result = trySyscall("utimensat", AT_FDCWD, cstring(image.blobPath), 0, 0);
    if (result !== -ERRNO.ENOENT) return;
    throw new Failure(`image ${image.key} lacks its archive in the store; fetch it again`);
  }

  /**
   * Keeps `image gc` and `image rm` away until it is disposed or the process ends or execs. Held
   * from before an image is resolved until the pod directory names the tree that it uses.
   */
  prepareLock(): HeldLock {
    return this.#lock(lockShared);
  }

  /** Keeps everybody away who publishes an image or prepares a pod: for removing things. */
  collectLock(): HeldLock {
    return this.#lock(lockExclusive);
  }

  #lock(take: (fd: number, what: string) => void): HeldLock {
    const path = `${this.dataDir}/locks/prepareLock`;
    const fd = openInNewDirectory(path);
    try {
      take(fd, path);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
    return { fd, [Symbol.dispose]: () => closeDescriptor(fd) };
  }

  /**
   * The image's tree if it is rendered already. Of images without dependencies only: which images
   * the others' dependencies stand for may have changed, so `tree()` has to look.
   */
  renderedTree(image: StoredImage): RenderedTree | undefined {
    try {
      const link = Deno.readLinkSync(`${this.dataDir}/cas/treeid/${image.key}`);
      const id = link.slice(link.lastIndexOf("/") + 1);
      const root = treeRoot(this.dataDir, id);
      return root && { id, kind: root.kind, rootfs: root.path, ready: root.ready };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /**
   * The image's tree, rendered and mounted if it is not yet.
   *
   * @throws {Failure} where a dependency is missing, or the disk is full
   */
  async tree(image: StoredImage): Promise<RenderedTree> {
    const rendered = this.renderedTree(image);
    if (rendered?.ready === true) return rendered;
    if (rendered !== undefined) {
      const { indexMethod, readyTree } = await import("./tree/mount_tree.ts");
      if (await indexMethod(this.dataDir) !== undefined) {
        return { ...rendered, rootfs: await readyTree(this.dataDir, rendered.id), ready: true };
      }
    }
    const { renderTree } = await import("./render_tree.ts");
    return await renderTree(this, image);
  }

  /**
   * Imports an image in one pass: decompress, hash, write, and with root also render. Nothing of it
   * is visible before all of it was read and `options.verify` agreed. Does not dispose the source.
   *
   * @throws {Failure}
   */
  async importAci(source: ByteSource, options: ImportOptions = {}): Promise<StoredImage> {
    const { importAci } = await import("./import_aci.ts");
    return await importAci(this, source, options);
  }

  /**
   * Imports an OCI image: its documents, and those of its layers that are not there yet. Nothing of it is visible before all
   * of it was read. Does not dispose the source.
   *
   * @throws {Failure}
   */
  async importOci(source: ImageSource, options: ImportOciOptions): Promise<StoredImage> {
    const { importOci } = await import("./oci/import_oci.ts");
    return await importOci(this, source, options);
  }

  /** A directory of empty mount points, to be the lowest layer below every tree. */
  skeleton(): string {
    const path = `${this.dataDir}/cas/skeleton`;
    while (!exists(path)) makeSkeleton(path, `${this.dataDir}/cas/tmp/${crypto.randomUUID()}`);
    if (!exists(`${path}/etc/mtab`)) fillEtc(path); // it is that of an older rkt
    return path;
  }
}

/** A UUID and a line feed. */
const GENERATION_LENGTH = 37;

function readText(path: string): string | undefined {
  return ifThere(() => Deno.readTextFileSync(path));
}

function openInNewDirectory(path: string): number {
  try {
    return openLockFile(path);
  } catch {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    return openLockFile(path);
  }
}
