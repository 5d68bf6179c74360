import type { Command } from "../grammar/command.ts";
import type { Flag } from "../grammar/flags.ts";
import { APP_CHOICE, FORMAT, NO_LEGEND, PRIVILEGED, UUID_FILE } from "./output_flags.ts";
import { APP_FLAGS, OLD_PULL_FLAGS, POD_FLAGS, RUN_FLAGS, UUID_FILE_SAVE } from "./run_flags.ts";

const APP_FLAG = {
  name: "app",
  kind: "text",
  value: "APP",
  help: "Which app",
} as const;

/** The flags of a pod that are not about images. */
const SANDBOX_FLAGS = POD_FLAGS.filter(({ name }) =>
  ["pod-name", "volume", "no-overlay", "private-users", "userns"].includes(name)
);
/** An app's flags that a sandbox has as well. */
const NOTES = APP_FLAGS.filter(({ name }) =>
  ["annotation", "user-annotation", "user-label"].includes(name)
).map((flag): Flag => {
  const { scope: _scope, ...rest } = flag;
  return { ...rest, help: flag.help.replace("the app", "the pod") };
});
const SANDBOX_PORT: Flag = {
  name: "port",
  kind: "texts",
  value: "NAME:PROTOCOL:PODPORT:[ADDRESS]:HOSTPORT",
  help: "Lead a port of the host to a port of the pod",
};
const MOUNT_VOLUME: Flag = {
  name: "mnt-volume",
  kind: "texts",
  value: "name=NAME,target=PATH,kind=host|empty,...",
  help: "A volume of this app's, as --volume of run says it, and where it is mounted",
  scope: "app",
};
const ADD_FLAGS = POD_FLAGS.filter(({ name }) => name === "pull-policy");

/** The commands for single apps of a sandbox. */
export const APP_COMMANDS: readonly Command[] = [
  {
    name: "app sandbox",
    group: "Apps of a running pod",
    summary: "Run a pod without apps, which can be added to it",
    usage: "[flags]",
    about: [
      "The pod stays until `rkt stop`, or a TERM or INT to rkt, ends it: then its apps get TERM, and it ends when " +
      "they have ended.",
    ],
    flags: [...SANDBOX_FLAGS, SANDBOX_PORT, ...NOTES, ...RUN_FLAGS, UUID_FILE_SAVE],
    arguments: [0, 0],
    examples: [
      "rkt app sandbox --port=http:tcp:8080::80",
      "rkt app sandbox --net=host --uuid-file-save=/run/pod.uuid",
    ],
    load: () => import("../app/app_sandbox.ts"),
  },
  {
    name: "app add",
    group: "Apps of a running pod",
    summary: "Add an app to a running pod",
    usage: "UUID IMAGE [app flags] [-- ARGUMENTS]",
    about: [
      "The app does not run until `rkt app start`. By default it has no input, and `rkt logs` shows its output.",
    ],
    grammar: "apps",
    flags: [...ADD_FLAGS, ...OLD_PULL_FLAGS, ...APP_FLAGS, MOUNT_VOLUME, UUID_FILE],
    examples: [
      "rkt app add 42029c62 example.com/app --name=web",
      "rkt app add 42029c62 example.com/busybox --exec /bin/sleep -- 60",
    ],
    load: () => import("../app/app_add.ts"),
  },
  {
    name: "app start",
    group: "Apps of a running pod",
    summary: "Start an app that was added or stopped",
    usage: "--app=APP UUID",
    about: [
      "Returns when the app's program runs.",
    ],
    flags: [APP_FLAG, UUID_FILE, {
      name: "dry-run",
      kind: "mode",
      oneOf: ["addresses"],
      help:
        "Print every step and system call in order, and do none of it; with its address in memory",
    }],
    arguments: [0, 1],
    examples: ["rkt app start --app=web 42029c62", "rkt app start 42029c62 --app=web"],
    load: () => import("../app/app_start.ts"),
  },
  {
    name: "app stop",
    group: "Apps of a running pod",
    summary: "Stop an app",
    usage: "--app=APP UUID",
    about: ["Returns when the app has ended."],
    flags: [
      APP_FLAG,
      UUID_FILE,
      { name: "force", kind: "switch", help: "Kill it at once" },
      {
        name: "timeout",
        kind: "duration",
        default: "10s",
        help: "How long it may take to end after TERM, until it is killed",
      },
    ],
    arguments: [0, 1],
    examples: ["rkt app stop --app=web 42029c62", "rkt app stop --force --app=web 42029c62"],
    load: () => import("../app/app_stop.ts"),
  },
  {
    name: "app rm",
    group: "Apps of a running pod",
    summary: "Remove a stopped app",
    usage: "--app=APP UUID",
    flags: [APP_FLAG, UUID_FILE],
    arguments: [0, 1],
    examples: ["rkt app rm --app=web 42029c62", "rkt app rm --app=web --uuid-file=/run/pod.uuid"],
    load: () => import("../app/app_rm.ts"),
  },
  {
    name: "app list",
    group: "Apps of a running pod",
    summary: "List the apps of a pod",
    usage: "[flags] UUID",
    flags: [NO_LEGEND, FORMAT, UUID_FILE],
    arguments: [0, 1],
    examples: ["rkt app list 42029c62", "rkt app list --format=json 42029c62"],
    load: () => import("../app/app_list.ts"),
  },
  {
    name: "app status",
    group: "Apps of a running pod",
    summary: "Show the state of an app",
    usage: "--app=APP [flags] UUID",
    flags: [APP_FLAG, FORMAT, UUID_FILE],
    arguments: [0, 1],
    examples: [
      "rkt app status --app=web 42029c62",
      "rkt app status --app=web --format=json 42029c62",
    ],
    load: () => import("../app/app_status.ts"),
  },
  {
    name: "app exec",
    group: "Apps of a running pod",
    summary: "Run a command in an app, as enter does",
    usage: "[--app=APP] UUID [COMMAND [ARGUMENT ...]]",
    grammar: "command",
    flags: [APP_CHOICE, PRIVILEGED, UUID_FILE],
    arguments: [1, Infinity],
    examples: ["rkt app exec --app=web 42029c62", "rkt app exec --app=web 42029c62 -- /bin/ps"],
    load: () => import("../pod/enter.ts"),
  },
];
