/** The states of OCI containers: a directory for each, below the runtime's root (runtime.md, "State"). */
import { Failure } from "../failure.ts";
import { KernelError } from "../linux/errno.ts";
import * as k from "../linux/constants.ts";
import { cstring, syscall } from "../linux/syscall.ts";
import { closeDescriptor, openLockFile, tryLockExclusive } from "../linux/lock.ts";
import { openProcess, type Process, processFile } from "../linux/process.ts";
import type { ContainerHook } from "../../stage1/container/container.ts";
import { ifThere } from "../linux/exists.ts";

/** The status of a container. */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** What is written down when a container is made. */
export interface ContainerRecord {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339. */
  readonly created: string;
  readonly owner: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The directories of its cgroups by the names of the controllers of version 1; of version 2 by an empty name. */
  readonly cgroups: Readonly<Record<string, string>>;
  /** The unit of systemd that has its cgroup. */
  readonly unit?: string | undefined;
  /** Whether it is in a user namespace of its own. */
  readonly hasUsers: boolean;
  readonly hooks: {
    readonly poststart: readonly ContainerHook[];
    readonly poststop: readonly ContainerHook[];
  };
  /** The process of the configuration, which `exec` takes what it is not told from. */
  readonly process?: unknown;
  readonly seccomp?: unknown;
  /** The domain that its processes run in, where the configuration chooses one. */
  readonly personality?: string | undefined;
}

/** A container that there is. */
export interface FoundContainer {
  readonly directory: string;
  readonly record: ContainerRecord;
}

const ID = /^[A-Za-z0-9_+.-]{1,1024}$/;

/**
 * Checks a container's name (runtime.md leaves it to the runtime; runc's rule).
 *
 * @throws {Failure}
 */
export function checkId(id: string): void {
  if (ID.test(id) && id !== "." && id !== "..") return;
  throw new Failure(
    `${JSON.stringify(id)} is no name of a container: it has letters, digits, _ + . -`,
    1,
  );
}

/**
 * Makes the directory of a new container, and a fifo in it.
 *
 * @throws {Failure} there is one of that name
 */
export function makeDirectory(root: string, id: string): string {
  checkId(id);
  Deno.mkdirSync(root, { recursive: true, mode: 0o711 });
  const directory = `${root}/${id}`;
  try {
    Deno.mkdirSync(directory, { mode: 0o711 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Failure(`container with given ID already exists: ${id}`, 1);
  }
  return directory;
}

/** Writes down what a container is. */
export function writeRecord(directory: string, record: ContainerRecord): void {
  Deno.writeTextFileSync(`${directory}/state.json`, `${JSON.stringify(record)}\n`, {
    createNew: true,
    mode: 0o600,
  });
}

/** Removes the directory of a container; what is not there is no fault. */
export function removeDirectory(directory: string): void {
  ifThere(() => Deno.removeSync(directory, { recursive: true }));
}

/**
 * Finds a container.
 *
 * @throws {Failure} there is none of that name
 */
export function findContainer(root: string, id: string): FoundContainer {
  checkId(id);
  const directory = `${root}/${id}`;
  const state = `${directory}/state.json`;
  try {
    const text = Deno.readTextFileSync(state);
    // It names hooks that are run, and cgroups whose processes are killed.
    for (const path of [root, directory, state]) checkOwner(path, Deno.statSync(path));
    return { directory, record: JSON.parse(text) as ContainerRecord };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(`container does not exist: ${id}`, 1);
  }
}

/**
 * Refuses a directory of states that others could have written.
 *
 * @throws {Failure}
 */
export function checkDirectory(root: string, id: string): string {
  checkId(id);
  const directory = `${root}/${id}`;
  for (const path of [root, directory]) checkOwner(path, Deno.statSync(path));
  return directory;
}

/** Refuses what somebody else than the caller could have written. */
function checkOwner(path: string, { uid, mode }: Deno.FileInfo): void {
  if (uid === Deno.uid() && ((mode ?? 0) & 0o022) === 0) return;
  throw new Failure(
    `${path} is not the caller's alone to write, so what it says is not believed`,
    1,
  );
}

/** The names of all containers, sorted. */
export function containerIds(root: string): readonly string[] {
  return ifThere(() =>
    [...Deno.readDirSync(root)].filter(({ isDirectory, name }) => isDirectory && ID.test(name))
      .map(({ name }) => name).sort()
  ) ?? [];
}

/** Takes the lock of a container, so that no two commands change it at once. */
export function lockContainer({ directory, record: { id } }: FoundContainer): Disposable {
  const fd = openLockFile(`${directory}/lock`);
  if (!tryLockExclusive(fd, id)) {
    closeDescriptor(fd);
    throw new Failure(`container ${id} is being changed by another command`, 1);
  }
  return { [Symbol.dispose]: () => closeDescriptor(fd) };
}

/** The fields of /proc/PID/stat that tell a process: its state, and when it started (proc_pid_stat(5)). */
function statFields(text: string): { readonly state: string; readonly start: string } | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "", start = ""] = [fields[0], fields[19]];
  return start === "" ? undefined : { state, start };
}

const readText = (path: string): string | undefined => {
  return ifThere(() => Deno.readTextFileSync(path));
};

/** The PID that was noted; 0 while the container is being made. */
export function notedPid({ directory }: FoundContainer): number {
  return Number(readText(`${directory}/pid`) ?? "0");
}

/** Where `struct statx` has the inode. */
const INODE = 32;

const inodeIn = (status: Uint8Array): bigint =>
  new DataView(status.buffer, status.byteOffset).getBigUint64(INODE, true);

/** The inode of a pidfd, of which there is one for each process in all time (Linux 6.9); before they are all the same. */
function inodeOf(pidfd: number): bigint {
  const status = new Uint8Array(256);
  const flags = k.AT_EMPTY_PATH;
  syscall("look at a pidfd", "statx", pidfd, cstring(""), flags, k.STATX_BASIC_STATS, status);
  return inodeIn(status);
}

/** The inode of the pidfd of the process that was noted; undefined where none was. */
function notedInode({ directory }: FoundContainer): bigint | undefined {
  return ifThere(() => inodeIn(Deno.readFileSync(`${directory}/pidfd`)));
}

/**
 * Opens the first process of a container: the one that was noted, and no other that has its number now. Undefined where it has
 * ended, or is not there yet.
 */
export function openFirst(container: FoundContainer): Process | undefined {
  const noted = statFields(readText(`${container.directory}/stat`) ?? "");
  const pid = notedPid(container);
  if (noted === undefined || pid === 0) return undefined;
  const process = openProcess(pid);
  if (process === undefined) return undefined;
  const now = statFields(processFile(pid, "stat") ?? "");
  // The time of the start is in hundredths of a second: two processes may share it.
  const isIt = now !== undefined && now.start === noted.start && !/[ZX]/.test(now.state) &&
    inodeOf(process.fd) === notedInode(container);
  if (isIt && process.alive) return process;
  process[Symbol.dispose]();
  return undefined;
}

/** The status of a container, but for whether it is paused. */
export function statusOf(container: FoundContainer): Exclude<Status, "paused"> {
  if (notedPid(container) === 0) return "creating";
  using process = openFirst(container);
  if (process === undefined) return "stopped";
  return hasFifo(container) ? "created" : "running";
}

/** Whether nobody has started it. */
export function hasFifo({ directory }: FoundContainer): boolean {
  return ifThere(() => Deno.lstatSync(`${directory}/exec.fifo`).isFifo === true) ?? false;
}

/** A failure of the kernel's as one of the runtime's. */
export function asFailure(error: unknown, doing: string): Failure {
  if (error instanceof Failure) return error;
  const reason = error instanceof KernelError || error instanceof Error
    ? error.message
    : String(error);
  return new Failure(`${doing}: ${reason}`, 1, { cause: error });
}
