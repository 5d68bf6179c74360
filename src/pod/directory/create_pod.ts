/** Making pod directories; pod_directory.ts reads and moves them. On the shortest way of `rkt run`: few imports. */
import { Failure } from "../../failure.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, lockExclusive, tryOpenDirectory } from "../../linux/lock.ts";

/** The directories below `pods`, in the order in which a pod goes through them. */
export const STAGES = [
  "embryo",
  "prepare",
  "prepared",
  "run",
  "exited-garbage",
  "garbage",
] as const;

/** The mode of a pod's directory, and of those that pods are in: they are root's alone. */
export const POD_DIRECTORY_MODE = 0o700;

/** An empty pod directory in `embryo`, locked by this process. */
export interface NewPod {
  readonly uuid: string;
  /** The descriptor of the directory, which holds the lock; closed on exec until the supervisor is to have it. */
  readonly fd: number;
}

/** A random UUID (version 4) in lower case with dashes. From the kernel: Deno's crypto loads slowly. */
function randomUuid(): string {
  return Deno.readTextFileSync("/proc/sys/kernel/random/uuid").trimEnd();
}

/**
 * Makes an empty pod directory (0700).
 *
 * @throws {Failure} where the data directory cannot be written
 */
export function createEmbryo(dataDir: string): NewPod {
  while (true) {
    const uuid = randomUuid();
    const path = `${dataDir}/pods/embryo/${uuid}`;
    makePodDirectory(dataDir, path);
    const fd = tryOpenDirectory(path);
    // A gc took the directory, which had no lock yet, for a dead one.
    if (fd === -ERRNO.ENOENT) continue;
    if (fd < 0) throw new KernelError(-fd, `open ${path}`);
    try {
      lockExclusive(fd, path);
      if (exists(path)) return { uuid, fd };
      closeDescriptor(fd);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
  }
}

/** Makes `pods` and its stages (0700) where they do not exist yet. The first one is the last: where it is, all are. */
function makeStages(dataDir: string): void {
  for (const stage of STAGES.toReversed()) {
    Deno.mkdirSync(`${dataDir}/pods/${stage}`, { recursive: true, mode: POD_DIRECTORY_MODE });
  }
}

function makePodDirectory(dataDir: string, path: string): void {
  try {
    try {
      Deno.mkdirSync(path, { mode: POD_DIRECTORY_MODE });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      makeStages(dataDir);
      Deno.mkdirSync(path, { mode: POD_DIRECTORY_MODE });
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = error.message.replace(/,? mkdir '.*$|: mkdir '.*$/, "");
    throw new Failure(
      `cannot make a pod below "${dataDir}": ${why}; run as root, or choose another --dir`,
      undefined,
      { cause: error },
    );
  }
}
