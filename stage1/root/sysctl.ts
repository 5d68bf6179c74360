/** Sysctls of a pod (`os/unix/sysctl`): only what belongs to namespaces that are the pod's own. */
import type { Isolator } from "../../src/appc/isolator.ts";
import { Failure } from "../../src/failure.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, slot } from "../engine/plan.ts";
import type { Pod, Sysctl } from "../pod.ts";
import { newMount } from "../steps/mounts.ts";

/** The kinds of namespaces that divide sysctls. */
type DividedBy = "network" | "IPC" | "UTS";

/** What each namespace divides (sysctl(5) of the kernel's documentation; ipc/ipc_sysctl.c, ipc/mq_sysctl.c). */
const NAMESPACED: readonly (readonly [form: RegExp, namespace: DividedBy])[] = [
  [/^net\/./, "network"],
  [/^fs\/mqueue\/./, "IPC"],
  [
    /^kernel\/(shm(max|all|mni|_rmid_forced|_next_id)|msg(max|mnb|mni|_next_id)|sem(_next_id)?)$/,
    "IPC",
  ],
  [/^kernel\/(hostname|domainname)$/, "UTS"],
];

/**
 * The sysctls of a pod.
 *
 * @throws {Failure} for those that no namespace divides, and those whose namespace the pod shares with the host
 */
export function podSysctls(
  isolators: readonly Isolator[],
  { network, ipc, flavor }: {
    readonly network: string;
    readonly ipc: Pod["ipc"];
    readonly flavor?: Pod["flavor"];
  },
): readonly Sysctl[] {
  const own = { network: network !== "host", IPC: ipc === "private", UTS: flavor !== "fly" };
  return isolators.flatMap((isolator) =>
    isolator.kind === "os/unix/sysctl"
      ? Object.entries(isolator.settings).map(([name, value]) => sysctl(name, value, own))
      : []
  );
}

function sysctl(
  name: string,
  value: string,
  own: Readonly<Record<DividedBy, boolean>>,
): Sysctl {
  const path = settingPath(name);
  const namespace = dividedBy(path);
  if (namespace === undefined) {
    throw new Failure(
      `sysctl ${name} is the whole host's: set it there; pods have net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem, kernel.hostname and kernel.domainname`,
    );
  }
  if (!own[namespace]) {
    throw new Failure(`sysctl ${name}: this pod shares the host's ${namespace} namespace`);
  }
  return [path, value];
}

/** The kind of namespace that has a sysctl of its own; undefined where there is one for the whole host. */
export const dividedBy = (path: string): DividedBy | undefined =>
  NAMESPACED.find(([form]) => form.test(path))?.[1];

/** Either separator is meant as such where it comes first (sysctl(8)): `net.ipv4.conf.eth0/1.forwarding`. */
export function settingPath(name: string): string {
  const slashes = name.search(/[./]/) === name.indexOf("/");
  if (slashes) return name;
  return name.replace(/[./]/g, (separator) => separator === "." ? "/" : ".");
}

/**
 * What any user may do in a network that is the pod's own, unless a sysctl says otherwise: listen on all ports, and ping.
 * Nothing of the host's is there.
 */
function openNetwork({ network, sysctls, privateUsers }: Pod): readonly Sysctl[] {
  if (network.kind === "host") return [];
  const lastGroup = privateUsers === undefined ? 2 ** 31 - 1 : privateUsers.count - 1;
  const defaults: readonly Sysctl[] = [
    ["net/ipv4/ip_unprivileged_port_start", "0"],
    ["net/ipv4/ping_group_range", `0 ${lastGroup}`],
  ];
  return defaults.filter(([path]) => !sysctls.some(([other]) => other === path));
}

/** Init writes the sysctls through a /proc that nobody else sees, once it is in the pod's namespaces. */
export function applySysctls(steps: Section, pod: Pod): void {
  openToUsers(steps, pod);
  writeSysctls(steps, pod.sysctls);
}

/** Writes sysctls by a proc of its own, whatever is on /proc. */
export function writeSysctls(steps: Section, sysctls: readonly Sysctl[]): void {
  if (sysctls.length === 0) return;
  const proc = slot("proc");
  const file = slot("file");
  newMount(steps, "mount a proc for settings", "proc", [], 0, proc);
  for (const [path, value] of sysctls) {
    steps.must(`open /proc/sys/${path}`, "openat", [
      proc,
      `sys/${path}`,
      k.O_WRONLY | k.O_CLOEXEC,
      0,
    ], { store: file, hint: "this kernel has no such setting in a namespace" });
    const length = new TextEncoder().encode(value).length;
    steps.must(`set /proc/sys/${path} to ${value}`, "write", [file, value, length]);
    steps.attempt("close it", "close", [file]);
  }
  steps.attempt("close the proc", "close", [proc]);
}

/**
 * Applies {@linkcode openNetwork} by the host's /proc, which shows whoever opens a file there the sysctls of his own network
 * namespace. Not every kernel has them: then an app needs CAP_NET_BIND_SERVICE and CAP_NET_RAW.
 */
function openToUsers(steps: Section, pod: Pod): void {
  const file = slot("file");
  for (const [path, value] of openNetwork(pod)) {
    const done = `sysctl ${path}`;
    steps.attempt(`open /proc/sys/${path}`, "openat", [
      k.AT_FDCWD,
      `/proc/sys/${path}`,
      k.O_WRONLY | k.O_CLOEXEC,
      0,
    ], { store: file, branch: { when: "error", to: done } });
    steps.attempt(`set /proc/sys/${path} to ${value}`, "write", [file, value, value.length]);
    steps.attempt("close it", "close", [file]);
    steps.label(done);
  }
}
