/**
 * Whose the data directory is. What is in it becomes the roots of pods, and names of what root removes, so whoever can write
 * there is root: it is believed only where that is root alone. Below directories that pass, nothing is looked at again.
 */
import { Failure } from "../failure.ts";

/** The directories that everything else is below of. */
export const PRIVATE = ["cas", "locks", "pods"] as const;

const STICKY = 0o1000;

/**
 * Checks who can write to a data directory. Only root is asked: what belongs to other users is believed by nobody else.
 *
 * @throws {Failure} names the directory and what to do
 */
export function checkDataDirectory(dataDir: string): void {
  if (Deno.uid() !== 0) return;
  const top = statusOf(dataDir);
  if (top === undefined) return;
  const mode = top.mode ?? 0;
  // In a sticky directory, as /tmp is, nobody else can move away what is root's.
  if (top.uid !== 0 || ((mode & 0o022) !== 0 && (mode & STICKY) === 0)) {
    throw refusal(
      dataDir,
      top,
      `\`chown root:root\` and \`chmod go-w\` it, or choose another --dir`,
    );
  }
  for (const name of PRIVATE) {
    const path = `${dataDir}/${name}`;
    const found = statusOf(path);
    if (found !== undefined && !isPrivate(found)) {
      throw refusal(path, found, `\`chown root:root\` and \`chmod go=\` it, and fetch images anew`);
    }
  }
}

/** Whether root alone gets into it, by what is stored with it: rkt 1 let the members of a group `rkt` write. */
function isPrivate({ uid, gid, mode }: Deno.FileInfo): boolean {
  const bits = mode ?? 0;
  return uid === 0 && (bits & 0o022) === 0 && (gid === 0 || (bits & 0o070) === 0);
}

function statusOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    throw error;
  }
}

function refusal(path: string, { uid, gid, mode }: Deno.FileInfo, remedy: string): Failure {
  const who = uid !== 0 ? `user ${uid}` : (mode ?? 0) & 0o002 ? "everybody" : `group ${gid}`;
  return new Failure(`"${path}" is open to ${who}, who would be root in all pods; ${remedy}`);
}
