/** Files and directories that commands write for people: complete, or not there at all. */
import { Failure } from "../../failure.ts";
import { temporaryPath } from "../../linux/atomic_file.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { exists } from "../../linux/exists.ts";

/**
 * Makes a file or directory at `path`: `make` writes it to a temporary path beside it, which is then
 * renamed. What is there already stays until then.
 *
 * @param overwrite whether something that is there may be replaced
 * @throws {Failure} where it may not, or the directory above is missing
 */
export async function placeOutput(
  path: string,
  overwrite: boolean,
  make: (temporary: string) => void | Promise<void>,
): Promise<void> {
  const target = path.replace(/(?<=.)\/+$/, "");
  if (!overwrite && exists(target)) {
    throw new Failure(`"${path}" exists already; --overwrite replaces it`);
  }
  const above = target.includes("/") ? target.replace(/\/[^/]*$/, "") || "/" : ".";
  if (!exists(above)) throw new Failure(`"${path}": the directory "${above}" does not exist`);
  const temporary = temporaryPath(`${above}/`);
  try {
    await make(temporary);
    if (overwrite) remove(target);
    Deno.renameSync(temporary, target);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Failure(`"${path}" may not be written: permission denied`, 254, { cause: error });
    }
    throw error;
  } finally {
    remove(temporary);
  }
}

function remove(path: string): void {
  if (!exists(path)) return;
  if (!Deno.lstatSync(path).isDirectory) return Deno.removeSync(path);
  const { left } = deleteTree(path);
  if (left !== undefined) throw new Failure(`"${path}" can't be removed: ${left}`);
}
