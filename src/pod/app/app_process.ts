/**
 * Finding the main process of an app from outside. What runs in a pod may be hostile: it may end at any moment, and
 * make processes until one of them has a PID it likes. So nothing here depends on what an app can write, and every
 * process is pinned by a pidfd before it is looked at:
 *
 * - The supervisor has the PID in `ppid`, and holds the lock of the pod's directory.
 * - Init is the supervisor's child, and PID 1 of a PID namespace below the supervisor's.
 * - The shim of an added app has the number in `APP-keeper`, and holds the lock of `appsinfo/APP`. No app has that directory
 *   in its root, so none can open it: a number alone would be that of whoever has killed the shim and made processes since.
 * - The app's main process is a child of init, or of that shim, under the number that its parent has noted in `APP-pid`.
 */
import { exists } from "../../linux/exists.ts";
import { fileTimes } from "../../linux/file_times.ts";
import {
  childrenOf,
  namespacePids,
  openProcess,
  type Process,
  processFile,
  processLink,
  processState,
} from "../../linux/process.ts";
import { Failure } from "../../failure.ts";
import { podContents, statusPath, supervisorPid } from "../directory/pod_details.ts";
import { copyPath, overlayPath } from "../make/prepare_pod.ts";
import { type PodView, refreshed } from "../directory/pod_directory.ts";

/** The main process of an app, pinned together with the pod's init. */
export interface AppProcess extends Disposable {
  readonly main: Process;
  readonly init: Process;
}

/**
 * Opens a pidfd of the shim of an added app (stage1/processes/shim.ts): of the process in the pod that holds the app's lock.
 * Undefined where there is none.
 */
export function pinShim(dataDir: string, pod: PodView, app: string): Process | undefined {
  using init = pinInit(dataDir, pod);
  return init === undefined ? undefined : pinShimOf(pod, app, init);
}

function pinShimOf(pod: PodView, app: string, init: Process): Process | undefined {
  const number = notedPid(pod, `${app}-keeper`);
  if (number === undefined) return undefined;
  const depth = namespacePids(init.pid).length;
  for (const pid of candidates(init.pid)) {
    if (!hasNumber(pid, init.pid, number, depth)) continue;
    const shim = openProcess(pid);
    if (shim === undefined) continue;
    // Pinned first: what was read is this process's if it is alive afterwards.
    const isShim = hasNumber(pid, init.pid, number, depth) &&
      holdsLock(pid, appLock(pod, app)) && shim.alive;
    if (isShim) return shim;
    shim[Symbol.dispose]();
  }
  return undefined;
}

/** What the shim of an added app holds locked; see sandbox_changes.ts. */
const appLock = (pod: PodView, app: string): string => `${pod.path}/appsinfo/${app}`;

/**
 * Pins the processes of an added app, whoever their parent is: those whose root is the app's, and those that share a mount
 * namespace with one. That is what the kernel says of them, so it finds what a killed shim has left.
 */
export function pinProcessesOf(dataDir: string, pod: PodView, app: string): readonly Process[] {
  using init = pinInit(dataDir, pod);
  if (init === undefined) return [];
  const inPod = inodeOf(init.pid, "ns/pid");
  const found: Process[] = [];
  const others: Process[] = [];
  for (const pid of new Set(candidates(init.pid))) {
    if (pid === init.pid || inodeOf(pid, "ns/pid") !== inPod) continue;
    const process = openProcess(pid);
    if (process === undefined) continue;
    const list = hasRootOf(pid, pod, app) && process.alive ? found : others;
    list.push(process);
  }
  const mounts = new Set(found.map(({ pid }) => inodeOf(pid, "ns/mnt")));
  for (const process of others) {
    const inode = inodeOf(process.pid, "ns/mnt");
    if (inode !== undefined && mounts.has(inode) && process.alive) found.push(process);
    else process[Symbol.dispose]();
  }
  return found;
}

/** Whether the root of a process is that of an app: an overlay with the app's upper layer, or its copy of a tree. */
function hasRootOf(pid: number, pod: PodView, app: string): boolean {
  return (processFile(pid, "mountinfo") ?? "").split("\n").some((line) => {
    const [mount = "", source = ""] = line.split(" - ");
    const [, , , root = "", point] = mount.split(" ");
    if (point !== "/") return false;
    const options = (source.split(" ")[2] ?? "").split(",");
    return options.includes(`upperdir=${overlayPath(app)}/upper`) ||
      root.endsWith(`/${pod.uuid}/${copyPath(app)}`);
  });
}

/** Why an app has no process: words that stand behind its name. */
type Missing = "has not started yet" | "has ended";

/** How often and how long one looks whether init (or a shim) is at rest, in milliseconds. */
const LOOK_EVERY = 2;
const LOOK_AT_MOST = 30_000;

/**
 * Pins the main process of an app of a running pod.
 *
 * @throws {Failure} the pod does not run, or the app has not started or has ended
 */
export function pinApp(dataDir: string, pod: PodView, app: string): AppProcess {
  const found = findApp(dataDir, pod, app);
  if (typeof found === "object") return found;
  if (refreshed(dataDir, pod)?.state !== "running") {
    throw new Failure(`pod "${pod.uuid}" is not running`);
  }
  throw new Failure(`app "${app}" of pod "${pod.uuid}" ${found}`);
}

/** The PID of an app's main process as the host numbers it; undefined where it has none. */
export function appPid(dataDir: string, pod: PodView, app: string): number | undefined {
  const found = findApp(dataDir, pod, app);
  if (typeof found !== "object") return undefined;
  using process = found;
  return process.main.pid;
}

/** Like {@linkcode pinApp}, but throws with the reason where there is none. */
export function findApp(dataDir: string, pod: PodView, app: string): AppProcess | Missing {
  const init = pinInit(dataDir, pod);
  if (init === undefined) return "has not started yet";
  let found: AppProcess | Missing = "has ended";
  try {
    found = pinMain(pod, app, init);
    return found;
  } finally {
    if (typeof found !== "object") init[Symbol.dispose]();
  }
}

/** Pins the pod's supervisor; undefined where the pod does not run, or not yet. */
export function pinSupervisor(pod: PodView): Process | undefined {
  const pid = supervisorPid(pod);
  const supervisor = pid === undefined ? undefined : openProcess(pid);
  if (supervisor === undefined) return undefined;
  if (holdsLock(supervisor.pid, pod.path) && supervisor.alive) return supervisor;
  supervisor[Symbol.dispose]();
  return undefined;
}

/** Pins the pod's init; undefined where the pod does not run, or not yet. */
export function pinInit(dataDir: string, pod: PodView): Process | undefined {
  using supervisor = pinSupervisor(pod);
  if (supervisor === undefined) return undefined;
  const looksLikeIt = initForm(pod, supervisor.pid);
  const pids = childrenOf(supervisor.pid).filter(looksLikeIt);
  const [only, ...others] = pids;
  const init = only === undefined || others.length > 0 ? undefined : openProcess(only);
  if (init === undefined) return undefined;
  const isInit = looksLikeIt(init.pid) &&
    processState(init.pid)?.parent === supervisor.pid && init.alive && supervisor.alive &&
    refreshed(dataDir, pod)?.state === "running";
  if (isInit) return init;
  init[Symbol.dispose]();
  return undefined;
}

/**
 * Pins the init of a pod that may be just being started, and waits until it has made itself a root and waits for apps.
 * Undefined where the pod does not run, or has ended meanwhile.
 *
 * @throws {Failure} where init does not start, or never sleeps
 */
export function pinReadyInit(dataDir: string, pod: PodView): Process | undefined {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < LOOK_AT_MOST; waited += LOOK_EVERY) {
    const init = pinInit(dataDir, pod);
    if (init !== undefined) {
      if (awaitRest(init.pid)) return init;
      init[Symbol.dispose]();
    }
    if (refreshed(dataDir, pod)?.state !== "running") return undefined;
    Atomics.wait(sleeper, 0, 0, LOOK_EVERY);
  }
  throw new Failure(`pod "${pod.uuid}" does not get up; try again`);
}

/**
 * What tells init from the supervisor's other children: those of its terminal and its output are in the supervisor's own
 * namespaces.
 */
function initForm(pod: PodView, supervisor: number): (pid: number) => boolean {
  if (podContents(pod)?.isFly === true) {
    const own = inodeOf(supervisor, "ns/mnt");
    return (pid) => ![own, undefined].includes(inodeOf(pid, "ns/mnt"));
  }
  const depth = namespacePids(supervisor).length + 1;
  return (pid) => isFirst(pid, depth);
}

/** Whether a process is PID 1 of a PID namespace of some depth. */
function isFirst(pid: number, depth: number): boolean {
  const pids = namespacePids(pid);
  return pids.length === depth && pids[depth - 1] === 1;
}

/**
 * Whether a process has a directory open by the description through which it is locked exclusively (`lock:` in
 * /proc/PID/fdinfo/FD, proc_pid_fdinfo(5)). To have it open is not enough: who only looks has that too.
 */
function holdsLock(pid: number, path: string): boolean {
  try {
    const directory = Deno.statSync(path);
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      if (Number(name) < 3) continue; // the caller's, and may be anything
      const file = processLink(pid, `fd/${name}`);
      if (file?.ino !== directory.ino || file.dev !== directory.dev) continue;
      if (EXCLUSIVE.test(processFile(pid, `fdinfo/${name}`) ?? "")) return true;
    }
  } catch {
    // The process or the directory is gone.
  }
  return false;
}

const EXCLUSIVE = /^lock:\s.*\bFLOCK\b.*\bWRITE\b/m;

function pinMain(pod: PodView, app: string, init: Process): AppProcess | Missing {
  awaitRest(init.pid); // an app may be faster than init, which notes its start
  const number = notedPid(pod, `${app}-pid`);
  if (number === undefined) return "has not started yet";
  if (number === 0) return "has ended";
  const depth = namespacePids(init.pid).length;
  for (const pid of candidates(init.pid)) {
    if (!hasNumber(pid, init.pid, number, depth)) continue;
    const main = openProcess(pid);
    if (main === undefined) continue;
    // A number is free as soon as init, or the app's shim, has reaped its process. That is noted before they sleep
    // again, so what is noted then is as true as it was when we pinned the process.
    using noter = noterOf(pod, app, init);
    const parent = () => processState(pid)?.parent;
    const same = noter !== undefined && parent() === noter.pid &&
      hasNumber(pid, init.pid, number, depth) && main.alive && awaitRest(noter.pid) &&
      !hasEnded(pod, app) && notedPid(pod, `${app}-pid`) === number &&
      noter.alive && parent() === noter.pid && main.alive && init.alive;
    if (same) {
      return {
        main,
        init,
        [Symbol.dispose]() {
          main[Symbol.dispose]();
          init[Symbol.dispose]();
        },
      };
    }
    main[Symbol.dispose]();
  }
  return "has ended";
}

/**
 * Pins who has made an app's main process, and notes its end: init, or the shim of an app that was added later. No process
 * becomes a child of either but those that they make, those that these make so, and orphans, which become init's.
 */
function noterOf(pod: PodView, app: string, init: Process): Process | undefined {
  if (notedPid(pod, `${app}-keeper`) === undefined) return openProcess(init.pid);
  return pinShimOf(pod, app, init);
}

/** The PIDs to look at: init's children, then all there are, because an app that was added later is no child of init. */
function* candidates(init: number): Generator<number> {
  yield* childrenOf(init);
  for (const { name } of Deno.readDirSync("/proc")) if (/^\d+$/.test(name)) yield Number(name);
}

/** Whether a process is in init's PID namespace, and has a number there. Those of namespaces below have more numbers. */
function hasNumber(pid: number, init: number, number: number, depth: number): boolean {
  const pids = namespacePids(pid);
  if (pids.length !== depth || pids[depth - 1] !== number) return false;
  const inode = inodeOf(pid, "ns/pid");
  return inode !== undefined && inode === inodeOf(init, "ns/pid");
}

/** The inode of a namespace of a process; undefined where the process is gone. */
function inodeOf(pid: number, name: "ns/pid" | "ns/mnt"): number | undefined {
  return processLink(pid, name)?.ino ?? undefined;
}

/** A PID in the pod that was noted in the status directory: four bytes, little-endian. */
function notedPid(pod: PodView, file: string): number | undefined {
  const path = `${statusPath(pod)}/${file}`;
  if (!exists(path)) return undefined;
  const bytes = Deno.readFileSync(path);
  return bytes.length === 4 ? new DataView(bytes.buffer).getUint32(0, true) : undefined;
}

/** Whether init has noted an end of the app since it has noted its last start. */
function hasEnded(pod: PodView, app: string): boolean {
  const end = fileTimes(`${statusPath(pod)}/${app}`);
  const start = fileTimes(`${statusPath(pod)}/${app}-pid`);
  return end !== undefined && start !== undefined && end.modified >= start.modified;
}

/**
 * Waits until a process sleeps, which init and shims do only when all is noted. Returns false where it is gone.
 *
 * @throws {Failure} where it never does: the machine is overloaded
 */
function awaitRest(pid: number): boolean {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < LOOK_AT_MOST; waited += LOOK_EVERY) {
    const state = processState(pid)?.state;
    // T: only the host can stop it, and then it won't note anything either.
    if (state === "S" || state === "T") return true;
    if (state === undefined || state === "Z") return false;
    Atomics.wait(sleeper, 0, 0, LOOK_EVERY);
  }
  throw new Failure(`the pod's init (process ${pid}) does not come to rest; try again`);
}
