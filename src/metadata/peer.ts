/**
 * Which pod a process is of, by what the kernel says: the one in whose PID namespace it is, or in one below. Nothing that the
 * process says or shows has a part in it.
 */
import { Failure } from "../failure.ts";
import { AT_FDCWD, O_CLOEXEC, SOL_SOCKET } from "../linux/early_constants.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { Process, processFile, processLink, processState } from "../linux/process.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { findApp, pinInit } from "../pod/app/app_process.ts";
import { openPod, type PodView } from "../pod/directory/pod_directory.ts";
import type { RegisteredPod, RegisteredPods } from "./registered_pods.ts";

/** include/uapi/asm-generic/socket.h; since Linux 6.5 */
const SO_PEERPIDFD = 77;
/** `_IO(0xb7, 0x2)`, include/uapi/linux/nsfs.h */
const NS_GET_PARENT = 0xb702;

/**
 * Opens a pidfd of the process that has connected a socket. Undefined where the kernel can't tell, or it is gone; a PID
 * alone would be that of whoever came after it.
 */
export function peerProcess(socket: number): Process | undefined {
  const fd = new Int32Array([-1]);
  const length = new Uint32Array([4]);
  const result = trySyscall(
    "getsockopt",
    socket,
    SOL_SOCKET,
    SO_PEERPIDFD,
    new Uint8Array(fd.buffer),
    new Uint8Array(length.buffer),
  );
  const [pidfd = -1] = fd;
  if (result < 0 || pidfd < 0) return undefined;
  const line = /^Pid:\s*(-?\d+)$/m.exec(processFile("self", `fdinfo/${pidfd}`) ?? "");
  const pid = Number(line?.[1] ?? 0);
  if (pid > 0) return new Process(pid, pidfd);
  closeDescriptor(pidfd);
  return undefined;
}

/** The init of a pod, pinned, and the PID namespace that it is PID 1 of. */
interface KnownInit {
  readonly process: Process;
  readonly namespace: string;
}

const inode = ({ dev, ino }: Deno.FileInfo): string => `${dev}:${ino}`;

/** Finds the pods of processes. */
export class PodFinder {
  readonly #pods: RegisteredPods;
  readonly #inits = new Map<string, KnownInit>();

  constructor(pods: RegisteredPods) {
    this.#pods = pods;
  }

  /** The registered pod that a process is in; undefined where it is in none. */
  podOf(process: Process): RegisteredPod | undefined {
    const namespaces = pidNamespaces(process.pid);
    if (!process.alive) return undefined; // what was read may be another's
    const own = processLink("self", "ns/pid");
    const candidates = namespaces.filter((each) => own !== undefined && each !== inode(own));
    if (candidates.length === 0) return undefined;
    for (const pod of this.#pods.all()) {
      const known = this.#inits.get(pod.uuid);
      // A look at each init would make every request pay for all pods of the host.
      if (known !== undefined && !candidates.includes(known.namespace)) continue;
      const init = this.#init(pod);
      if (init === undefined || !candidates.includes(init.namespace)) continue;
      return process.alive ? pod : undefined; // else its namespace may have become another's
    }
    return undefined;
  }

  /**
   * The app of a pod that a process is in: the one whose mounts it has. Of a pod of one app it is that one, whatever mounts
   * the process has made itself.
   */
  appOf(process: Process, { dataDir, uuid, parsed: { apps } }: RegisteredPod): string | undefined {
    const [only, ...others] = apps;
    if (others.length === 0) return only?.name;
    const view = dataDir === undefined ? undefined : runningPod(dataDir, uuid);
    const mounts = processLink(process.pid, "ns/mnt");
    if (dataDir === undefined || view === undefined || mounts === undefined) return undefined;
    const found = apps.find(({ name }) => {
      const app = findApp(dataDir, view, name);
      if (typeof app !== "object") return false;
      using pinned = app;
      const own = processLink(pinned.main.pid, "ns/mnt");
      return own !== undefined && inode(own) === inode(mounts) && pinned.main.alive;
    });
    return process.alive ? found?.name : undefined;
  }

  /** The pod's init; it is looked for once, and as long as it lives its namespace is no other's. */
  #init(pod: RegisteredPod): KnownInit | undefined {
    const known = this.#inits.get(pod.uuid);
    if (known?.process.alive) return known;
    known?.process[Symbol.dispose]();
    this.#inits.delete(pod.uuid);
    const { dataDir, uuid } = pod;
    if (dataDir === undefined) return undefined;
    const view = runningPod(dataDir, uuid);
    const process = view && pinInit(dataDir, view);
    if (process === undefined) return undefined;
    const found = processLink(process.pid, "ns/pid");
    if (found === undefined || !process.alive) {
      process[Symbol.dispose]();
      return undefined;
    }
    const init = { process, namespace: inode(found) };
    this.#inits.set(uuid, init);
    return init;
  }

  /** Lets go of the inits of pods that are not registered any more. */
  forget(): void {
    for (const [uuid, { process }] of this.#inits) {
      if (this.#pods.byUuid(uuid) !== undefined && processState(process.pid)?.state !== "Z") {
        continue;
      }
      process[Symbol.dispose]();
      this.#inits.delete(uuid);
    }
  }
}

function runningPod(dataDir: string, uuid: string): PodView | undefined {
  try {
    const view = openPod(dataDir, uuid);
    return view.state === "running" ? view : undefined;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** The PID namespaces of a process, from its own to the outermost one that we may see. */
function pidNamespaces(pid: number): readonly string[] {
  const found: string[] = [];
  let fd = trySyscall("openat", AT_FDCWD, cstring(`/proc/${pid}/ns/pid`), O_CLOEXEC, 0);
  while (fd >= 0) {
    const status = processLink("self", `fd/${fd}`);
    if (status !== undefined) found.push(inode(status));
    const parent = trySyscall("ioctl", fd, NS_GET_PARENT, 0);
    closeDescriptor(fd);
    fd = parent;
  }
  return found;
}
