/** Writes the file system of an OCI image as a tree of files. */
import type { Ownership } from "../../aci/write_options.ts";
import { TreeWriter } from "../../aci/tree_writer.ts";
import { Failure } from "../../failure.ts";
import { writeTree } from "../../layers/write_tree.ts";
import { KernelError } from "../../linux/errno.ts";
import type { OciTree } from "./oci_image.ts";

/**
 * Writes the tree below `directory`, which exists and is empty.
 *
 * @throws {Failure} that names the entry
 */
export function writeOciTree(
  { root, layers }: OciTree,
  directory: string,
  ownership: Ownership,
): void {
  using writer = new TreeWriter(directory, ownership);
  writeTree(root, layers, writer);
  try {
    writer.finish();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new Failure(`${directory}: ${error.message}`, undefined, { cause: error });
  }
}
