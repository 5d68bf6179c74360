/** A pod's directory in the hands of who makes, runs or deletes it; pod_directory.ts has the rules, and finds pods. */
import { closeDescriptor, setCloseOnExec } from "../../linux/lock.ts";
import { syncDirectory, syncFileSystem } from "../../linux/sync.ts";
import { createEmbryo, STAGES } from "./create_pod.ts";

/** One of the directories below `pods`. */
export type PodStage = typeof STAGES[number];

/** The path of a pod in one of the stages. */
export function podPath(dataDir: string, stage: PodStage, uuid: string): string {
  return `${dataDir}/pods/${stage}/${uuid}`;
}

/** The file in a pod's directory that has its name. */
export const NAME_FILE = "pod-name";

/** A pod whose exclusive lock this process holds: it makes it, runs it or deletes it. */
export class PodDirectory implements Disposable {
  readonly #dataDir: string;
  #stage: PodStage;
  #fd: number;

  /** Used by {@linkcode createPod} and {@linkcode claimPod} only: `fd` is open and locked. */
  constructor(dataDir: string, readonly uuid: string, stage: PodStage, fd: number) {
    this.#dataDir = dataDir;
    this.#stage = stage;
    this.#fd = fd;
  }

  /** Where the pod is among {@linkcode STAGES}. */
  get stage(): PodStage {
    return this.#stage;
  }

  /** The directory's path; it changes with every move. */
  get path(): string {
    return podPath(this.#dataDir, this.#stage, this.uuid);
  }

  /**
   * The descriptor through which the lock is held. It is closed on exec, so that no program that rkt calls on the way
   * comes by the lock; the supervisor gets it at the last moment, see {@linkcode passOn}.
   */
  get lockFd(): number {
    return this.#fd;
  }

  /** Leaves the lock to the program that this process becomes: the last thing before `execve`. */
  passOn(): void {
    setCloseOnExec(this.#fd, false);
  }

  /** The pod is being prepared. */
  toPrepare(): void {
    this.#move("prepare");
  }

  /**
   * The pod is complete and waits for `run-prepared`, maybe through a crash of the machine: what it
   * consists of reaches the disk before its new name does. syncfs(2), because without overlayfs
   * that is a whole root file system.
   */
  toPrepared(): void {
    syncFileSystem(this.path);
    this.#move("prepared");
    syncDirectory(`${this.#dataDir}/pods/prepared`);
    syncDirectory(`${this.#dataDir}/pods/prepare`);
  }

  /** The pod runs. No fsync: a crash of the machine ends the pod anyway. */
  toRun(): void {
    this.#move("run");
  }

  /** The pod is rubbish; see {@linkcode discard}. */
  toGarbage(): void {
    this.#move("garbage");
  }

  /** Moves the pod to the garbage and deletes it, when making or starting it has failed. */
  async discard(): Promise<void> {
    this.toGarbage();
    const { deleteTree } = await import("../../linux/delete_tree.ts");
    deleteTree(this.path, "unmount");
  }

  #move(to: PodStage): void {
    const from = this.path;
    Deno.renameSync(from, podPath(this.#dataDir, to, this.uuid));
    this.#stage = to;
  }

  /** Closes the descriptor. The lock is released unless another process has inherited it. */
  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeDescriptor(this.#fd);
    this.#fd = -1;
  }
}

/**
 * Makes an empty pod directory (0750) in `embryo`, locked by this process.
 *
 * @throws {Failure} where the data directory cannot be written
 */
export function createPod(dataDir: string): PodDirectory {
  const { uuid, fd } = createEmbryo(dataDir);
  return new PodDirectory(dataDir, uuid, "embryo", fd);
}
