/** What config.md says about mounts: the options, the order, where they come from. */
import type { Example, Seen } from "./sentence.ts";

const MOUNTS = "config.md#mounts", OPTIONS = "config.md#linux-mount-options";

/** Options of a new file system, and what of them /proc/self/mountinfo says: of the mount, and behind ` - ` of the file system. */
const OF_FILE_SYSTEMS: readonly (readonly [option: string, seen: RegExp])[] = [
  ["async", / rw,relatime - tmpfs \S+ rw/],
  ["atime", / rw,relatime - /],
  ["defaults", / rw,relatime - /],
  ["dev", / rw,relatime - /],
  ["diratime", / rw,relatime - /],
  ["dirsync", / rw,relatime - tmpfs \S+ rw,dirsync/],
  ["exec", / rw,relatime - /],
  ["iversion", / rw,relatime - /],
  ["lazytime", / rw,relatime - tmpfs \S+ rw,lazytime/],
  ["loud", / rw,relatime - /],
  ["noatime", / rw,noatime - /],
  ["nodev", / rw,nodev,relatime - /],
  ["nodiratime", / rw,nodiratime,relatime - /],
  ["noexec", / rw,noexec,relatime - /],
  ["noiversion", / rw,relatime - /],
  ["nolazytime", / rw,relatime - tmpfs \S+ rw(?!,lazytime)/],
  ["norelatime", / rw,relatime - /],
  ["nostrictatime", / rw,relatime - /],
  ["nosuid", / rw,nosuid,relatime - /],
  ["nosymfollow", / rw,relatime,nosymfollow - /],
  ["relatime", / rw,relatime - /],
  ["ro", / ro,relatime - /],
  ["rw", / rw,relatime - /],
  ["silent", / rw,relatime - /],
  ["strictatime", / rw - /],
  ["suid", / rw,relatime - /],
  ["symfollow", / rw,relatime - /],
  ["sync", / rw,relatime - tmpfs \S+ rw,sync/],
  ["private", / rw,relatime - /],
  ["shared", / rw,relatime shared:\d+ - /],
  ["unbindable", / rw,relatime unbindable - /],
  ["rprivate", / rw,relatime - /],
  ["rshared", / rw,relatime shared:\d+ - /],
  ["runbindable", / rw,relatime unbindable - /],
];

/** Options that go down to what is mounted below: of /tree and of /tree/sub. */
const RECURSIVE: readonly (readonly [option: string, seen: RegExp])[] = [
  ["rro", / ro,relatime /],
  ["rnosuid", / rw,nosuid,relatime /],
  ["rnodev", / rw,nodev,relatime /],
  ["rnoexec", / rw,noexec,relatime /],
  ["rnoatime", / rw,noatime /],
  ["rnodiratime", / rw,nodiratime,relatime /],
  ["rstrictatime", / rw /],
  ["rrelatime", / rw,relatime /],
  ["rnosymfollow", / rw,relatime,nosymfollow /],
  ["rrw", / rw,relatime /],
  ["rsuid", / rw,relatime /],
  ["rdev", / rw,relatime /],
  ["rexec", / rw,relatime /],
  ["ratime", / rw,relatime /],
  ["rdiratime", / rw,relatime /],
  ["rnorelatime", / rw,relatime /],
  ["rnostrictatime", / rw,relatime /],
  ["rsymfollow", / rw,relatime /],
];

const at = (path: string, seen: RegExp): RegExp =>
  new RegExp(`^\\d+ \\d+ \\S+ \\S+ ${path}${seen.source}`, "m");

const optionsOf = (): Example => {
  const tmpfs = (name: string) => ({
    destination: `/data/${name}`,
    type: "tmpfs",
    source: "tmpfs",
    options: [name],
  });
  const tree = (name: string) => ({
    ...{
      destination: `/trees/${name}`,
      source: "/run/rkt-sentences",
      type: "none",
      options: ["rbind", name],
    },
  });
  return {
    changes: {
      root: { path: "rootfs" },
      mounts: [
        ...OF_FILE_SYSTEMS.map(([name]) => tmpfs(name)),
        ...RECURSIVE.map(([name]) => tree(name)),
      ],
    },
    questions: { mounts: "cat /proc/self/mountinfo" },
    seen: [
      ...OF_FILE_SYSTEMS.map((
        [name, seen],
      ): Seen => [OPTIONS, `the option ${name}`, "mounts", at(`/data/${name}`, seen)]),
      ...RECURSIVE.map((
        [name, seen],
      ): Seen => [
        OPTIONS,
        `the option ${name}, also of what is mounted below`,
        "mounts",
        at(`/trees/${name}/sub`, seen),
      ]),
    ],
  };
};

const inOrder: Example = {
  changes: {
    root: { path: "rootfs" },
    mounts: [
      { destination: "/one", type: "tmpfs", source: "first", options: ["size=64k", "mode=711"] },
      { destination: "/one/two", type: "tmpfs", source: "second" },
      { destination: "/one", type: "tmpfs", source: "third", options: ["size=64k"] },
      { destination: "relative/path", type: "tmpfs", source: "fourth" },
      { destination: "/file", type: "bind", source: "/run/rkt-sentences/file", options: ["bind"] },
      { destination: "/read-only", source: "/run/rkt-sentences", options: ["bind", "ro"] },
      { destination: "/not-below", source: "/run/rkt-sentences", options: ["bind"] },
      { destination: "/all-below", source: "/run/rkt-sentences", options: ["rbind"] },
      { destination: "/of-the-bundle", source: "rootfs/etc", options: ["bind"] },
      { destination: "/last-counts", type: "tmpfs", options: ["ro", "rw", "noexec", "exec"] },
      { destination: "/slave", source: "/run/rkt-sentences", options: ["bind", "slave"] },
      { destination: "/rslave", source: "/run/rkt-sentences", options: ["rbind", "rslave"] },
      { destination: "/again", source: "/run/rkt-sentences", options: ["bind", "remount", "ro"] },
    ],
  },
  questions: {
    mounts: "cat /proc/self/mountinfo",
    hidden: "ls /one | wc -l",
    relative: "grep -c ' /relative/path ' /proc/self/mountinfo",
    file: "cat /file",
    written: "touch /read-only/x 2>/dev/null && echo written || echo refused",
    alone: "ls /not-below/sub | wc -l",
    whole: "cat /all-below/sub/inner",
    bundle: "grep -c ^me: /of-the-bundle/passwd",
    size: "busybox df -k /one | busybox awk 'NR == 2 {print $2}'",
  },
  seen: [
    [
      MOUNTS,
      "they are mounted in the order of the list: the last hides what is below",
      "hidden",
      "0",
    ],
    [MOUNTS, "destination: a relative path is one below /", "relative", "1"],
    [MOUNTS, "destination: what is missing is made, a file for a file", "file", "of the host"],
    [MOUNTS, "destination: what is missing is made, a directory for a directory", "whole", "inner"],
    [MOUNTS, "source: a relative path of a bind mount is one below the bundle", "bundle", "1"],
    [MOUNTS, "type: bind or rbind among the options is enough", "file", "of the host"],
    [
      MOUNTS,
      "type and source are handed to the kernel",
      "mounts",
      at("/one", / rw,relatime - tmpfs first /),
    ],
    [MOUNTS, "options that nobody knows are the file system's", "size", "64"],
    [
      MOUNTS,
      "options: of two that contradict each other the last counts",
      "mounts",
      at("/last-counts", / rw,relatime /),
    ],
    [OPTIONS, "the option bind, with another attribute", "written", "refused"],
    [OPTIONS, "the option bind does not take along what is mounted below", "alone", "0"],
    [OPTIONS, "the option rbind does", "whole", "inner"],
    [OPTIONS, "the option slave", "mounts", at("/slave", / rw,relatime master:\d+ - /)],
    [
      OPTIONS,
      "the option rslave, also of what is mounted below",
      "mounts",
      at("/rslave/sub", / rw,relatime master:\d+ - /),
    ],
    [
      OPTIONS,
      "the option remount: a bind mount with other attributes",
      "mounts",
      at("/again", / ro,relatime /),
    ],
  ],
};

/** The examples; the host has a shared mount at /run/rkt-sentences, with another below it at `sub`. */
export const MOUNT_EXAMPLES: readonly Example[] = [optionsOf(), inOrder];
