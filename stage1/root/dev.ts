/** An app's /dev: the devices of the spec, terminals, the pod's shared memory. */
import { hostDevice } from "./host_devices.ts";
import type { OpenRoot } from "./open_root.ts";
import { MOUNT_FLAGS } from "./mount_policy.ts";
import {
  attach,
  attributes,
  bind,
  MOUNT_ATTR_SIZE,
  mountNew,
  type MountOption,
  newMount,
  ownDirectory,
} from "../steps/mounts.ts";
import * as k from "../../src/linux/constants.ts";
import type { Section, Slot, Value } from "../engine/plan.ts";
import { slot } from "../engine/plan.ts";
import type { Pod, PodApp } from "../pod.ts";
import { idInPlan } from "./private_users.ts";
import { makesTerminal, makeTerminals, type Terminals } from "../output/streams.ts";

const DEVICES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

const DEVICE_LINKS = [
  ["ptmx", "pts/ptmx"],
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
] as const;

/** `dev_t` as mknod(2) takes it, for small numbers. */
const device = (major: number, minor: number): number => (major << 8) | minor;

export function mountDev(
  steps: Section,
  at: string,
  pod: Pod,
  app: PodApp,
  open: OpenRoot,
  terminals: Terminals,
): void {
  const target = ownDirectory(steps, at, open.root, "dev");
  const dev = open.dev ?? makeDev(steps, at, pod);
  attach(steps, `attach /dev ${at}`, dev, target);
  steps.attempt("close the target", "close", [target]);
  steps.must(`enter /dev ${at}`, "fchdir", [dev]);
  closeDevices(steps, at, dev, pod);

  if (makesTerminal(pod, app, terminals)) mountTerminals(steps, at, dev, pod, app, terminals);
  else {
    const what = `mount devpts on /dev/pts ${at}`;
    mountNew(steps, what, "devpts", terminalOptions(app), MOUNT_FLAGS.pts, "pts");
  }
  bind(steps, `mount the pod's shared memory on /dev/shm ${at}`, "/.shm", "shm");
  steps.attempt("close /dev", "close", [dev]);
}

/** A devpts of the pod's own at `pts` in a /dev, and the app's terminals in it. */
export function mountTerminals(
  steps: Section,
  at: string,
  dev: Slot,
  pod: Pod,
  app: PodApp,
  terminals: Terminals,
): void {
  const pts = slot("pts");
  newMount(
    steps,
    `mount devpts on /dev/pts ${at}`,
    "devpts",
    terminalOptions(app),
    MOUNT_FLAGS.pts,
    pts,
  );
  steps.must(`attach /dev/pts ${at}`, "move_mount", [
    pts,
    "",
    dev,
    "pts",
    k.MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  makeTerminals(steps, at, pts, dev, pod, app, terminals);
  steps.attempt("close /dev/pts", "close", [pts]);
}

/** The options of an app's devpts. Without a group of that number terminals have the group of their process. */
const terminalOptions = ({ keepsGroups }: PodApp): readonly MountOption[] => [
  ["ptmxmode", "0666"],
  ["mode", "0620"],
  ...keepsGroups === true ? [] : [["gid", "5"] as const],
];

/**
 * A /dev that is not attached yet. Only the host's root can make nodes; where rkt is another one, there are files, on which the
 * host's nodes are mounted.
 */
export function makeDev(
  steps: Section,
  at: string,
  pod: Pick<Pod, "privateUsers" | "rootless" | "holes">,
): Slot {
  const { privateUsers, rootless } = pod;
  const kind = (number: number) =>
    rootless === true ? [k.S_IFREG | 0o666, 0] as const : [k.S_IFCHR | 0o666, number] as const;
  const dev = slot("dev");
  newMount(
    steps,
    `mount tmpfs on /dev ${at}`,
    "tmpfs",
    [["mode", "0755"], ["size", "64k"]],
    MOUNT_FLAGS.dev,
    dev,
  );
  for (const [name, major, minor] of DEVICES) {
    steps.must(`make /dev/${name} ${at}`, "mknodat", [
      dev,
      name,
      ...kind(device(major, minor)),
    ]);
  }
  steps.must(`make /dev/net ${at}`, "mkdirat", [dev, "net", 0o755]);
  steps.must(`make /dev/net/tun ${at}`, "mknodat", [
    dev,
    "net/tun",
    ...kind(device(10, 200)),
  ]);
  for (const name of ["pts", "shm"]) {
    steps.must(`make /dev/${name} ${at}`, "mkdirat", [dev, name, 0o755]);
  }
  for (const [name, to] of DEVICE_LINKS) {
    steps.must(`make /dev/${name} ${at}`, "symlinkat", [to, dev, name]);
  }
  // The host's console is nothing for an app; writing to one must work all the same (spec, "Filesystem setup").
  steps.must(`make /dev/console ${at}`, "mknodat", [
    dev,
    "console",
    ...kind(device(1, 3)),
  ]);
  if (privateUsers !== undefined) giveDev(steps, at, dev, idInPlan(pod, privateUsers.shift));
  return dev;
}

/** Gives a /dev to the pod's root. */
function giveDev(steps: Section, at: string, dev: Slot, root: Value): void {
  const nodes = [...DEVICES.map(([name]) => name), "net/tun", "console"];
  for (const name of [...nodes, "net", "pts", "shm", ""]) {
    steps.must(`give /dev/${name} to the pod's root ${at}`, "fchownat", [
      dev,
      name,
      root,
      root,
      k.AT_EMPTY_PATH,
    ]);
  }
}

/**
 * Leaves the nodes of /dev, and no others that an app with CAP_MKNOD may add: each node is mounted on itself, and the
 * mount around them lets no device be opened. So it needs no cgroup for devices, which not every host has. It is the
 * working directory.
 */
function closeDevices(steps: Section, at: string, dev: Slot, { rootless }: Pod): void {
  for (const name of [...DEVICES.map(([name]) => name), "net/tun", "console"]) {
    const what = `keep /dev/${name} ${at}`;
    if (rootless !== true) {
      bind(steps, what, name, name);
      continue;
    }
    // Not every host has every device.
    const missing = `no /dev/${name} ${at}`;
    bind(steps, what, hostDevice(name), name, missing);
    steps.label(missing);
  }
  steps.must(`let no other device be opened ${at}`, "mount_setattr", [
    dev,
    "",
    k.AT_EMPTY_PATH,
    attributes(MOUNT_FLAGS.closedDev),
    MOUNT_ATTR_SIZE,
  ]);
}
