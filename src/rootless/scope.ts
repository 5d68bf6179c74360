/** A cgroup for a user's pod: a scope that the user's systemd makes, because nobody but it may move a session's processes. */
import { cgroupPaths } from "../cgroup/hierarchies.ts";
import { ServiceManager } from "../dbus/service_manager.ts";
import { Failure } from "../failure.ts";

/** For `PIDs` of a scope: the process that asks, as the kernel says who that is (org.freedesktop.systemd1(5)). */
const CALLER = 0;

/**
 * Moves this process to a scope of its own, which is delegated to the user and ends with its last process.
 *
 * @param uid the user's number for the host
 * @param description what `systemctl --user` shows
 * @returns why that can't be; undefined where it was done
 */
export async function enterScope(uid: number, description: string): Promise<string | undefined> {
  try {
    using manager = await ServiceManager.open(uid);
    if (manager === undefined) {
      return "no systemd of this user runs here (as root: loginctl enable-linger USER)";
    }
    const name = `rkt-${crypto.randomUUID()}.scope`;
    await manager.startTransientScope({ name, description, pids: [CALLER], delegate: true });
    const path = cgroupPaths(Deno.readTextFileSync("/proc/self/cgroup")).get("");
    if (path?.endsWith(`/${name}`) === true) return undefined;
    return `the user's systemd made ${name} without this process`;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `the user's systemd makes no scope: ${error.message}`;
  }
}

/**
 * Leaves a session's scope for one of the user's systemd, where a process is that this one wants to be moved to: from a
 * session the kernel moves nobody there.
 *
 * @param pid of the process, which belongs to the same user
 */
export async function approach(uid: number, pid: number): Promise<void> {
  const [own, other] = ["self", pid].map((process) =>
    cgroupPaths(Deno.readTextFileSync(`/proc/${process}/cgroup`)).get("") ?? ""
  );
  const isInManager = (path = "") => path.includes(`/user@${uid}.service/`);
  // Where that fails the command says that it is not in the app's limits.
  if (isInManager(other) && !isInManager(own)) await enterScope(uid, "rkt enter");
}
