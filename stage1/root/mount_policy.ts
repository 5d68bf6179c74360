/**
 * What an app's root is made of, in the order in which it is attached, and the flags of each mount. The
 * host name's file, the volumes (volumes.ts) and the other files of /etc (etc_files.ts) follow.
 */
import * as k from "../../src/linux/constants.ts";
import type { PodApp } from "../pod.ts";

/** Whether a path is below another one. */
export const isBelow = (path: string, other: string): boolean => path.startsWith(`${other}/`);

/** The mount of rkt's own in whose place a volume can be: what host agents look at. */
export type Replaceable = "/sys" | "/dev";

/** Whether an app has a volume in the place of one of rkt's own mounts. */
export const isReplaced = ({ mounts }: Pick<PodApp, "mounts">, path: Replaceable): boolean =>
  mounts.some(({ place }) => place === path);

/** The `MOUNT_ATTR_*` flags of each file system of an app's root. */
export const MOUNT_FLAGS = {
  /** Device nodes of an image have no effect: an app uses those in its /dev. Setuid files of an image do work. */
  root: k.MOUNT_ATTR_NODEV,
  /** The kernel has no programs and no devices there that an app could need. */
  proc: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC,
  /** As /proc. While paths are protected, {@linkcode protectedSys} holds. */
  sys: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC,
  /** Read-only as a whole covers what the spec protects of /sys one by one. */
  protectedSys: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC |
    k.MOUNT_ATTR_RDONLY,
  /** Its nodes must work, so devices are allowed until each of them is a mount of its own: then {@linkcode closedDev}. */
  dev: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC,
  /** Added to /dev when its nodes are mounts: a node that an app makes there has no effect. */
  closedDev: k.MOUNT_ATTR_NODEV,
  /** Terminals are devices. */
  pts: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC,
} as const;
