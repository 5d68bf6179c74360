/**
 * Mounting trees that are indexes. The first start of an image comes this way, so what makes indexes is not loaded here; see
 * tree_index.ts.
 */
import { isHostRoot } from "../../linux/own_users.ts";
import type { IndexFiles, MountMethod } from "../../erofs/mount_index.ts";
import { canShare, detachMounts, shareMount } from "../../erofs/shared_mounts.ts";
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { treePath } from "../layout.ts";
import { mountsDirectory, treeRoot } from "./tree_root.ts";

/** What says how trees are kept, by the root of the data directory; see {@linkcode indexMethod}. */
const METHOD_FILE = "cas/index-method";
/** In that file: the kernel reads layers that are kept compressed. */
const COMPRESSION = "zstd";
/** Where this says `tar`, as an administrator may have written, layers are kept as tars. */
const LAYER_FORMAT_FILE = "cas/layer-format";

/**
 * How indexes can be mounted over this store. Found out once a boot, and remembered in `cas/index-method`; where that says
 * `off`, as an administrator may have written, trees are extracted.
 *
 * @returns undefined where trees are to be extracted
 */
export async function indexMethod(dataDir: string): Promise<MountMethod | undefined> {
  if (!isHostRoot()) return undefined;
  const path = `${dataDir}/${METHOD_FILE}`;
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const [said, when] = exists(path) ? Deno.readTextFileSync(path).trim().split(" ") : [];
  if (said === "off") return undefined;
  if (when === boot) return said === "file" || said === "loop" ? said : undefined;
  const { workingMethod } = await import("../../erofs/probe.ts");
  const { TempDirectory } = await import("../temp_directory.ts");
  using temp = TempDirectory.create(dataDir);
  const method = canShare() ? workingMethod(temp.path) : undefined;
  const { readsCompressed } = await import("../../erofs/probe_compression.ts");
  const compression = method !== undefined && readsCompressed(temp.path, method);
  const line = [method ?? "none", boot, ...compression ? [COMPRESSION] : []].join(" ");
  Deno.writeTextFileSync(`${temp.path}/method`, `${line}\n`);
  Deno.renameSync(`${temp.path}/method`, path);
  return method;
}

/**
 * Whether new layers of a store are to be kept compressed: where the kernel reads them so (since Linux 6.10, with
 * `EROFS_FS_ZIP_ZSTD`), unless the administrator wants tars. Good after {@linkcode indexMethod}.
 */
export function keepsCompressed(dataDir: string): boolean {
  const format = `${dataDir}/${LAYER_FORMAT_FILE}`;
  if (exists(format) && Deno.readTextFileSync(format).trim() === "tar") return false;
  const path = `${dataDir}/${METHOD_FILE}`;
  return exists(path) && Deno.readTextFileSync(path).trim().split(" ")[2] === COMPRESSION;
}

/** In a tree whose files the kernel verifies: the digests of the index and of the archives, a line each. */
export const VERITY_FILE = "verity";

/** The files of a tree that is an index: hard links to the archives have the numbers of the devices as names. */
export function indexFiles(directory: string): IndexFiles {
  const devices: string[] = [];
  while (exists(`${directory}/${devices.length + 1}`)) {
    devices.push(`${directory}/${devices.length + 1}`);
  }
  const record = `${directory}/${VERITY_FILE}`;
  return {
    index: `${directory}/index.erofs`,
    devices,
    ...exists(record) && { digests: Deno.readTextFileSync(record).trimEnd().split("\n") },
  };
}

/**
 * The path of a tree's root, mounted where it has to be.
 *
 * @throws {Failure} where there is no such tree, or it can't be mounted here
 */
export async function readyTree(dataDir: string, treeId: string): Promise<string> {
  const root = treeRoot(dataDir, treeId);
  if (root === undefined) throw new Failure(`the tree ${treeId} is gone; fetch its image again`);
  if (!root.ready) await mountTree(dataDir, treeId);
  return root.path;
}

async function mountTree(dataDir: string, treeId: string): Promise<void> {
  const method = await indexMethod(dataDir);
  if (method === undefined) {
    throw new Failure(
      `the tree ${treeId} is an index of archives, which ${
        isHostRoot() ? "can't be mounted here" : "root alone can mount"
      }; see "Run as stored" in docs/use/images.md`,
    );
  }
  const absolute = dataDir.startsWith("/") ? dataDir : `${Deno.cwd()}/${dataDir}`;
  const mounts = { directory: mountsDirectory(dataDir), dataDirectory: absolute };
  try {
    shareMount(mounts, treeId, indexFiles(treePath(dataDir, treeId)), method);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const hint = why.includes("(os error 30)")
      ? "; trees are mounted in /run: make it writable"
      : "";
    throw new Failure(`the tree ${treeId} can't be mounted: ${why}${hint}`, undefined, {
      cause: error,
    });
  }
}

/** Detaches the mounts of trees that nobody wants. The caller keeps new pods away. */
export function detachTrees(dataDir: string, unwanted: (treeId: string) => boolean): void {
  if (isHostRoot()) detachMounts(mountsDirectory(dataDir), unwanted);
}
