import { Failure } from "../../failure.ts";

/** An archive is not what it should be. The message names the archive, the entry and its offset. */
export class ArchiveError extends Failure {
  override readonly name = "ArchiveError";
}
