/**
 * The network that pods of a user share: a namespace with one pasta(1), which is to them what the host's network is to root's
 * pods. Bridges, addresses and rules in it are made as root's are.
 *
 * Only who is root of the user namespace that the network belongs to can do that, so these pods are in one user namespace. A
 * process holds both (hold_network.ts), and ends when no pod's file is left. Nobody but the user can write to the directory
 * where those files are, and who the holder is says the kernel, by its lock.
 */
import { Failure } from "../failure.ts";
import {
  AT_FDCWD,
  CLONE_NEWNET,
  F_GETLK,
  F_SETLKW,
  O_CLOEXEC,
  O_NOFOLLOW,
  O_RDWR,
} from "../linux/constants.ts";
import { ERRNO } from "../linux/errno.ts";
import { exists, ifThere } from "../linux/exists.ts";
import { closeDescriptor, lockExclusive, openLockFile } from "../linux/lock.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { openNamespace } from "../net/kernel/namespace.ts";
import { podIsHeld } from "../pod/directory/pod_held.ts";

const directoryOf = (dataDir: string): string => `${dataDir}/shared-network`;

/** What the holder has locked; its content names the holder's pasta. */
export const holderFile = (dataDir: string): string => `${directoryOf(dataDir)}/holder`;

/** A file for each pod in the network. */
export const membersDirectory = (dataDir: string): string => `${directoryOf(dataDir)}/pods`;

/** Where the addresses of its networks are noted that are taken. */
export const addressesDirectory = (dataDir: string): string => `${directoryOf(dataDir)}/addresses`;

/** `struct flock` (include/uapi/asm-generic/fcntl.h): its size, the type of a lock to write, of none, and where the PID is. */
export const FLOCK = { size: 32, write: 1, none: 2, pid: 24 } as const;

/** Who holds the network. */
interface Holder {
  readonly pid: number;
  /** Its pasta's name; see pasta.ts. */
  readonly id: string;
}

/** The holder, as the kernel says; undefined where the network is not there. */
export function networkHolder(dataDir: string): Holder | undefined {
  const lock = askLock(dataDir, F_GETLK);
  if (lock === undefined || lock.getInt16(0, true) === FLOCK.none) return undefined;
  const id = Deno.readTextFileSync(holderFile(dataDir)).trim();
  return { pid: lock.getInt32(FLOCK.pid, true), id };
}

/** Asks for the holder's lock (fcntl(2)); undefined where there has never been one. */
function askLock(dataDir: string, command: number): DataView<ArrayBuffer> | undefined {
  const path = holderFile(dataDir);
  const fd = trySyscall("openat", AT_FDCWD, cstring(path), O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
  if (fd === -ERRNO.ENOENT) return undefined;
  if (fd < 0) throw new Failure(`${path}: can't be opened (error ${-fd})`);
  try {
    const lock = new Uint8Array(FLOCK.size);
    const view = new DataView(lock.buffer);
    view.setInt16(0, FLOCK.write, true);
    syscall(`ask for the lock of ${path}`, "fcntl", fd, command, lock);
    return view;
  } finally {
    closeDescriptor(fd);
  }
}

/** Does something while nobody else makes or leaves the network. */
async function alone<T>(dataDir: string, act: () => T | Promise<T>): Promise<T> {
  Deno.mkdirSync(directoryOf(dataDir), { recursive: true, mode: 0o700 });
  const path = `${directoryOf(dataDir)}/lock`;
  const fd = openLockFile(path);
  try {
    lockExclusive(fd, path);
    return await act();
  } finally {
    closeDescriptor(fd);
  }
}

/** The file that keeps the network while a start is on its way to it. */
const startFile = (dataDir: string, pid: number): string =>
  `${membersDirectory(dataDir)}/start.${pid}`;

/**
 * Makes the network where it is not there, and keeps it for this process.
 *
 * @param rkt how rkt is called, with its global flags
 * @returns the PID of its holder
 * @throws {Failure} what keeps it from being made
 */
export async function needNetwork(dataDir: string, rkt: readonly string[]): Promise<number> {
  return await alone(dataDir, async () => {
    const start = startFile(dataDir, Deno.pid);
    const there = networkHolder(dataDir);
    if (there !== undefined && noteStart(start)) return there.pid;
    // It has removed the directory: it is about to end.
    if (there !== undefined) askLock(dataDir, F_SETLKW);
    await makeNetwork(rkt);
    const made = networkHolder(dataDir);
    if (made === undefined || !noteStart(start)) {
      throw new Failure("the network of the user's pods has ended at once");
    }
    return made.pid;
  });
}

/** Whether a start could be noted: not where the last pod has just gone. */
function noteStart(file: string): boolean {
  return ifThere(() => {
    Deno.writeTextFileSync(file, "");
    return true;
  }) ?? false;
}

async function makeNetwork([program = "", ...args]: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args, "net-hold", crypto.randomUUID()],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
  throw new Failure(said.replace(/^(net-hold|stage1): /, ""));
}

/**
 * Takes this thread to the network, for good, and notes that the pod is in it.
 *
 * @returns the file that notes it: the network stays while it is there
 * @throws {Failure} it is not there, or belongs to another user namespace than this process
 */
export async function enterNetwork(dataDir: string, uuid: string): Promise<string> {
  return await alone(dataDir, () => {
    const holder = networkHolder(dataDir);
    const own = Deno.readLinkSync("/proc/self/ns/user");
    if (holder === undefined || Deno.readLinkSync(`/proc/${holder.pid}/ns/user`) !== own) {
      throw new Failure("the network of the user's pods has ended meanwhile; call rkt once more");
    }
    const namespace = openNamespace(`/proc/${holder.pid}/ns/net`);
    syscall("enter the pods' network", "setns", namespace, CLONE_NEWNET);
    closeDescriptor(namespace);
    const member = `${membersDirectory(dataDir)}/${uuid}`;
    Deno.writeTextFileSync(member, "");
    ifThere(() => Deno.removeSync(startFile(dataDir, Deno.pid)));
    return member;
  });
}

/** Lets go of what {@linkcode needNetwork} has kept for this process, if it has. */
export function leaveStart(dataDir: string): void {
  ifThere(() => Deno.removeSync(startFile(dataDir, Deno.pid)));
}

/** Whether a pod is in the network. */
export const isMember = (dataDir: string, uuid: string): boolean =>
  exists(`${membersDirectory(dataDir)}/${uuid}`);

/** Lets the network end, where a pod was the last one in it. */
export function leaveNetwork(dataDir: string, uuid: string): void {
  ifThere(() => Deno.removeSync(`${membersDirectory(dataDir)}/${uuid}`));
}

/**
 * Lets go of what pods and starts have left that were killed.
 *
 * @param release what a pod has of the network beside its file: its addresses
 */
export async function collectMembers(
  dataDir: string,
  release: (uuid: string) => void,
): Promise<void> {
  const directory = membersDirectory(dataDir);
  if (!exists(directory)) return;
  await alone(dataDir, () => {
    if (!exists(directory)) return;
    for (const { name } of Deno.readDirSync(directory)) {
      const [, pid] = /^start\.(\d+)$/.exec(name) ?? [];
      if (pid === undefined ? podIsHeld(dataDir, name) : exists(`/proc/${pid}`)) continue;
      if (pid === undefined) release(name);
      ifThere(() => Deno.removeSync(`${directory}/${name}`));
    }
    // The holder looks when a file goes, and none did where the first start was killed before it had one.
    const poke = startFile(dataDir, 0);
    if (noteStart(poke)) ifThere(() => Deno.removeSync(poke));
  });
}
