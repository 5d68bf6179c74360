/** What is refused where there is another way: it is told, and no error. */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { Failure } from "../failure.ts";
import type { FetchSession } from "./fetch_session.ts";

/** Whether an image was refused, or could not be had: anything else is a fault of rkt's. */
export const isRefusal = (error: unknown): error is Error =>
  error instanceof Failure || error instanceof ArchiveError;

/**
 * Tries one way of several.
 *
 * @param otherwise what is done where this way ends with a refusal, for the warning
 * @returns undefined then
 */
export async function unlessRefused<T>(
  { settings }: FetchSession,
  otherwise: string,
  attempt: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    settings.message(`warning: ${error.message}; so ${otherwise}`);
    return undefined;
  }
}
