/** The flags of `run`, `prepare` and `run-prepared`: those of a pod and those of each app. */

import type { Flag } from "../grammar/flags.ts";

const STAGE1_FLAGS: readonly Flag[] = [
  ["url", "URL", "Run the pod by the stage1 image at this URL"],
  ["path", "FILE", "Run the pod by the stage1 image in this file"],
  [
    "name",
    "IMAGE",
    "Run the pod by the stage1 image of this name; rkt 1.30's names mean what is built in",
  ],
  ["hash", "ID", "Run the pod by the stage1 image with this ID"],
  ["from-dir", "FILE", "Run the pod by the stage1 image in this file of the configured directory"],
].map(([name = "", value = "", help = ""]): Flag => ({
  name: `stage1-${name}`,
  kind: "text",
  value,
  help,
}));

/** Flags for running a pod; `prepare` does not take them. */
export const RUN_FLAGS: readonly Flag[] = [
  {
    name: "net",
    kind: "list",
    value: "NETWORK[:KEY=VALUE;...]",
    default: "default",
    bare: "default",
    help: "Networks of the pod: none (loopback only), host (the host's own), or names",
  },
  {
    name: "dns",
    kind: "list",
    value: "ADDRESS",
    help: "Name servers of the pod; host for the host's resolv.conf, none for no file",
  },
  {
    name: "dns-search",
    kind: "list",
    value: "DOMAIN",
    help: "Domains to search for names",
  },
  {
    name: "dns-opt",
    kind: "list",
    value: "OPTION",
    help: "Options of resolv.conf",
  },
  {
    name: "dns-domain",
    kind: "text",
    value: "DOMAIN",
    help: "The pod's domain in resolv.conf",
  },
  {
    name: "hosts-entry",
    kind: "texts",
    value: "ADDRESS=NAME[,NAME...]",
    help: "Lines of /etc/hosts; host for the host's own file",
  },
  {
    name: "interactive",
    kind: "switch",
    help: "Give the app a terminal; for pods of one app",
  },
  {
    name: "mds-register",
    kind: "switch",
    help: "Register the pod with the metadata service",
  },
  {
    name: "hostname",
    kind: "text",
    value: "NAME",
    help: "The pod's host name; rkt- and its UUID by default",
  },
  {
    name: "ipc",
    kind: "text",
    oneOf: ["auto", "private", "parent"],
    default: "auto",
    help: "Whose IPC the pod shares: private is its own, parent is the host's",
  },
  {
    name: "shm-size",
    kind: "text",
    value: "SIZE",
    default: "64Mi",
    help: "The most that the pod's /dev/shm holds",
  },
  {
    name: "dry-run",
    kind: "mode",
    oneOf: ["addresses"],
    help:
      "Print every step and system call in order, and do none of it; with its address in memory",
  },
  {
    name: "stop-timeout",
    kind: "duration",
    default: "10s",
    help: "The grace time: a TERM or INT that comes so long after the first one kills the pod",
  },
  {
    name: "rm",
    kind: "switch",
    help: "Remove the pod when it has ended",
  },
];

/** Flags for making a pod. */
export const POD_FLAGS: readonly Flag[] = [
  {
    name: "volume",
    kind: "texts",
    value: "NAME,kind=host|empty,...",
    help: "A volume: kind=host,source=DIR[,readOnly=true][,recursive=false], " +
      "or kind=empty[,mode=0755][,uid=0][,gid=0]",
  },
  {
    name: "port",
    kind: "list",
    value: "NAME:[ADDRESS:]PORT",
    help: "Lead a port of the host to the port NAME of an app",
  },
  {
    name: "pod-name",
    kind: "text",
    value: "NAME",
    help: "A name for the pod, to be used in place of its UUID",
  },
  { name: "inherit-env", kind: "switch", help: "Pass the environment of rkt on to the apps" },
  {
    name: "set-env",
    kind: "texts",
    value: "NAME=VALUE",
    help: "Set an environment variable of all apps",
  },
  {
    name: "set-env-file",
    kind: "texts",
    value: "FILE",
    help: "Set the environment variables in this file; lines with # or ; in front are comments",
  },
  {
    name: "no-overlay",
    kind: "switch",
    help: "Copy the image's files in place of mounting them with overlayfs",
  },
  {
    name: "private-users",
    kind: "switch",
    help: "Give the pod user IDs of its own",
  },
  {
    name: "userns",
    kind: "text",
    value: "USERS",
    help:
      "Whose users the pod has: host, auto (like --private-users), keep-id (users of its own, but " +
      "you are you), or uid=UID:gid=GID (you are these)",
  },
  {
    name: "pull-policy",
    kind: "text",
    oneOf: ["new", "never", "update"],
    default: "new",
    help: "When to fetch: new (what the store lacks), never, or update (ask for newer ones too)",
  },
  {
    name: "pod-manifest",
    kind: "text",
    value: "FILE",
    help: "Take the whole pod from this manifest; its images must be in the store",
  },
  {
    name: "flavor",
    kind: "text",
    oneOf: ["namespaces", "fly"],
    default: "namespaces",
    help: "How the pod is run: with namespaces of its own, or fly: apps only change their root, " +
      "and nothing isolates them from the host",
  },
  ...STAGE1_FLAGS,
];

/** The file to which `run` writes the UUID; `prepare` prints it instead. */
export const UUID_FILE_SAVE: Flag = {
  name: "uuid-file-save",
  kind: "text",
  value: "FILE",
  help: "Write the pod's UUID to this file before anything else is done",
};

/** Older flags, which `--pull-policy` replaces. */
export const OLD_PULL_FLAGS: readonly Flag[] = [
  { name: "store-only", kind: "switch", help: "Old for --pull-policy=never" },
  { name: "no-store", kind: "switch", help: "Old for --pull-policy=update" },
];

const STREAM_FLAGS: readonly Flag[] = [
  { name: "stdin", words: ["inherit", "null", "tty", "stream"] },
  { name: "stdout", words: ["inherit", "null", "log", "journal", "tty", "stream"] },
  { name: "stderr", words: ["inherit", "null", "log", "journal", "tty", "stream"] },
].map(({ name, words }): Flag => ({
  name,
  kind: "text",
  oneOf: words,
  default: "inherit",
  help: `What the app's ${name} is`,
  scope: "app",
}));

const DEVICE_FLAGS: readonly Flag[] = ["bps", "iops"].flatMap((unit) =>
  ["read", "write"].map((way): Flag => ({
    name: `device-${way}-${unit}`,
    kind: "texts",
    value: "PATH:RATE",
    help: `The most ${unit === "bps" ? "bytes" : "operations"} a second that the app may ${way} ` +
      "at the disk PATH",
    scope: "app",
  }))
);

/** Flags behind an image, for this app only. */
export const APP_FLAGS: readonly Flag[] = [
  {
    name: "name",
    kind: "text",
    value: "NAME",
    help: "The app's name; by default the last part of the image's name",
    scope: "app",
  },
  {
    name: "exec",
    kind: "text",
    value: "FILE",
    help: "The program to run in place of the image's; its arguments stand behind --",
    scope: "app",
  },
  {
    name: "working-dir",
    kind: "text",
    value: "DIR",
    help: "Where the program starts, in place of the image's",
    scope: "app",
  },
  {
    name: "readonly-rootfs",
    kind: "switch",
    help: "Mount the app's root file system read-only",
    scope: "app",
  },
  {
    name: "durable-rootfs",
    kind: "switch",
    help: "What the app has written to its root and synced outlives a crash of the machine; " +
      "the pod's end waits for the disk then",
    scope: "app",
  },
  {
    name: "user",
    kind: "text",
    value: "USER",
    help: "The app's user: a number, a name in the image, or a path whose owner it is",
    scope: "app",
  },
  {
    name: "group",
    kind: "text",
    value: "GROUP",
    help: "The app's group, in the same forms",
    scope: "app",
  },
  {
    name: "supplementary-gids",
    kind: "list",
    value: "GID",
    help: "More groups of the app, as numbers",
    scope: "app",
  },
  {
    name: "environment",
    kind: "texts",
    value: "NAME=VALUE",
    help: "Set an environment variable of the app",
    scope: "app",
  },
  {
    name: "mount",
    kind: "texts",
    value: "volume=NAME,target=PATH",
    help: "Mount a volume in the app; before the first image: in all apps",
    scope: "app or pod",
  },
  {
    name: "annotation",
    kind: "texts",
    value: "NAME=VALUE",
    help: "Annotate the app in the pod's manifest",
    scope: "app",
  },
  {
    name: "user-annotation",
    kind: "texts",
    value: "NAME=VALUE",
    help: "Annotate the app with anything",
    scope: "app",
  },
  {
    name: "user-label",
    kind: "texts",
    value: "NAME=VALUE",
    help: "Label the app with anything",
    scope: "app",
  },
  {
    name: "signature",
    kind: "text",
    value: "FILE",
    help: "The image's signature, where it does not lie beside the image",
    scope: "app",
  },
  {
    name: "accept-isolators",
    kind: "switch",
    help: "Give the app what its image asks for beyond the default: capabilities, system calls, " +
      "a lower oom score",
    scope: "app",
  },
  {
    name: "caps-retain",
    kind: "list",
    value: "CAPABILITY",
    help: "Capabilities that the app keeps, in place of the default",
    scope: "app",
    aliases: ["cap-retain"],
  },
  {
    name: "caps-remove",
    kind: "list",
    value: "CAPABILITY",
    help: "Capabilities that the app loses out of the default",
    scope: "app",
    aliases: ["cap-remove"],
  },
  {
    name: "allow-new-privileges",
    kind: "switch",
    help: "Let setuid files and file capabilities work for an app of a user other than root",
    scope: "app",
  },
  {
    name: "seccomp",
    kind: "text",
    value: "mode=retain|remove,[errno=NAME,]CALL,...",
    help: "System calls that the app may (retain) or may not (remove) make",
    scope: "app",
  },
  {
    name: "memory",
    kind: "text",
    value: "BYTES",
    help: "The most memory the app may use, like 512Mi; what goes beyond is killed",
    scope: "app",
  },
  {
    name: "memory-swap",
    kind: "text",
    value: "BYTES",
    help: "The most swap space the app may use beyond --memory; none by default",
    scope: "app",
  },
  {
    name: "cpu",
    kind: "text",
    value: "CORES",
    help: "The most CPU time the app may use, like 1.5 or 500m",
    scope: "app",
  },
  {
    name: "cpu-shares",
    kind: "number",
    help: "The app's share where CPUs are short, 2 to 262144",
    scope: "app",
  },
  {
    name: "pids-limit",
    kind: "number",
    help: "The most processes and threads the app may have",
    scope: "app",
  },
  {
    name: "io-weight",
    kind: "number",
    help: "The app's weight where disks are busy, 1 to 10000; 100 is usual",
    scope: "app",
    aliases: ["blkio-weight"],
  },
  ...DEVICE_FLAGS,
  {
    name: "ulimit",
    kind: "list",
    value: "NAME=SOFT[:HARD]",
    help: "Limits of each of the app's processes, like nofile=1024:4096 or core=0; -1 is none",
    scope: "app",
  },
  {
    name: "oom-score-adj",
    kind: "text",
    value: "NUMBER",
    help: "How soon the app is killed where memory is short, -1000 to 1000",
    scope: "app",
  },
  ...STREAM_FLAGS,
  {
    name: "log-size",
    kind: "text",
    value: "BYTES",
    default: "10Mi",
    help: "The most that is kept of what the app logs; older lines go first",
    scope: "app",
  },
  {
    name: "restart",
    kind: "text",
    value: "no|on-failure[:MAX]|always",
    default: "no",
    help: "When the app is started again after its end",
    scope: "app",
  },
  {
    name: "restart-delay",
    kind: "duration",
    default: "100ms",
    help: "How long it waits then; twice as long each further time, up to 10 seconds",
    scope: "app",
  },
  {
    name: "on-exit",
    kind: "text",
    oneOf: ["pod", "keep"],
    default: "pod",
    help: "Whether a failure of the app ends the pod, or the other apps are kept",
    scope: "app",
  },
  {
    name: "after",
    kind: "list",
    value: "APP",
    help: "Start the app when these have started, and their pre-start handlers are done",
    scope: "app",
  },
];
