/** Images in archives: tars of an OCI layout, and what `docker save` writes. What an archive is, its content says. */
import { Failure } from "../failure.ts";
import { ArchiveFiles, type SpoolOptions } from "./archive_files.ts";
import { openDockerArchive } from "./docker_archive.ts";
import type { ImageSource } from "./image_source.ts";
import { type LayoutChoice, LayoutSource } from "./layout_source.ts";

/**
 * The image of an archive. Docker since version 25 writes archives that are both: then the OCI half is read, which has
 * digests.
 *
 * @param path a file, or `-` for standard input
 * @throws {Failure}
 */
export async function openArchive(
  path: string,
  choice: LayoutChoice,
  options: SpoolOptions,
): Promise<ImageSource> {
  const files = await ArchiveFiles.open(path, choice.name, options);
  try {
    if (files.has("oci-layout")) return new LayoutSource(files, choice);
    if (files.has("manifest.json")) return await openDockerArchive(files, choice);
    throw new Failure(
      files.has("repositories")
        ? `${choice.name}: saved by a version of docker before 1.10; load and save it with one of today`
        : `${choice.name}: neither an OCI archive (no "oci-layout") nor a docker archive (no "manifest.json")`,
    );
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether a file is an archive of either kind, as far as the names in it say. */
export async function isImageArchive(path: string, options: SpoolOptions): Promise<boolean> {
  try {
    await using files = await ArchiveFiles.open(path, path, options);
    return ["oci-layout", "manifest.json"].some((name) => files.has(name));
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}
