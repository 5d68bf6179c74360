/** `--uuid-file-save`: where whoever starts a pod finds its UUID. */
import { Failure } from "../failure.ts";
import { reasonOf } from "../linux/reason.ts";

/**
 * Writes the UUID of a pod.
 *
 * @throws {Failure} names the flag and the file
 */
export function saveUuid(path: string, uuid: string): void {
  try {
    Deno.writeTextFileSync(path, uuid);
  } catch (error) {
    const why = reasonOf(error);
    throw new Failure(`--uuid-file-save: ${path} can't be written: ${why}`, 254, { cause: error });
  }
}
