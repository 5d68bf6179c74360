/** The streams of an app that one can attach to, as the supervisor of its pod holds them, or the shim of an added app. */
import { Failure } from "../../failure.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import type { Process } from "../../linux/process.ts";
import { trySyscall } from "../../linux/syscall.ts";
import type { Streams } from "../../../stage1/pod.ts";
import { appStreams } from "../../../stage1/resolve/resolve_streams.ts";
import { channels, SUPERVISOR_SIDE, TTY } from "../../../stage1/output/streams.ts";
import type { PodView } from "../directory/pod_directory.ts";
import { completeManifest } from "../make/resolved_pod.ts";

/** What one can attach to. */
export type Endpoint = "tty" | "stdin" | "stdout" | "stderr";

/** An app's streams. */
export interface AppEndpoints {
  readonly all: readonly Endpoint[];
  /** The descriptors of whoever holds them: the pipe that the app reads from, and the master of its terminal. */
  readonly stdin?: number;
  readonly tty?: number;
}

/**
 * What of an app can be attached to.
 *
 * @param added whether it was added to a pod that ran already: its shim holds the streams of this app only
 */
export function appEndpoints(pod: PodView, name: string, added: boolean): AppEndpoints {
  const apps = completeManifest(pod).apps.filter((app) => !added || app.name === name);
  const described = apps.map((app) => ({ name: app.name, streams: appStreams(app) }));
  const own = channels(described, { prefixed: [] }).filter(({ app }) => app.name === name);
  const streams = described.find((app) => app.name === name)?.streams;
  const held = (kind: "input" | "tty") => own.find((each) => each.kind === kind);
  const [stdin, tty] = [held("input"), held("tty")];
  return {
    all: [
      ...own.some(({ stream }) => stream === TTY) ? ["tty"] as const : [],
      ...(["stdin", "stdout", "stderr"] as const).filter((each) => isStream(streams, each)),
    ],
    ...stdin && { stdin: SUPERVISOR_SIDE + stdin.number },
    ...tty && { tty: SUPERVISOR_SIDE + tty.number },
  };
}

function isStream(streams: Streams | undefined, name: keyof Streams): boolean {
  return streams?.[name] === "stream";
}

/** How long a pod that is just being started is waited for, in milliseconds. */
const PATIENCE = 5000;
const LOOK_EVERY = 10;

/** A descriptor of another process's file. */
export class TakenDescriptor implements Disposable {
  constructor(readonly fd: number) {}

  [Symbol.dispose](): void {
    closeDescriptor(this.fd);
  }
}

/**
 * Takes a file from the supervisor or the shim, for this process to use beside it (pidfd_getfd(2)).
 *
 * @throws {Failure} where the pod has not come so far, or has ended
 */
export async function takeFrom(
  holder: Process,
  descriptor: number,
): Promise<TakenDescriptor> {
  for (let waited = 0;; waited += LOOK_EVERY) {
    const fd = trySyscall("pidfd_getfd", holder.fd, descriptor, 0);
    if (fd >= 0) return new TakenDescriptor(fd);
    if (fd === -ERRNO.ESRCH) throw new Failure("the pod has ended");
    // It has the descriptor when the app's root is complete.
    if (fd !== -ERRNO.EBADF) {
      throw new KernelError(-fd, "take the app's input from whoever holds it");
    }
    if (waited >= PATIENCE) throw new Failure("the pod is just being started; try again");
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
}
