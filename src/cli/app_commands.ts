import type { Command } from "./command.ts";
import { LATER } from "./later.ts";
import { APP_CHOICE, FORMAT, NO_LEGEND, PRIVILEGED, UUID_FILE } from "./output_flags.ts";
import { APP_FLAGS, PLACE_FLAGS, POD_FLAGS, UUID_FILE_SAVE } from "./run_flags.ts";

const APP_FLAG = {
  name: "app",
  kind: "text",
  value: "APP",
  help: "Which app",
} as const;

/** The commands for single apps of a pod that can change while it runs. */
export const APP_COMMANDS: readonly Command[] = [
  {
    name: "app sandbox",
    group: "Apps of a running pod",
    summary: "Run a pod without apps, which can be added to it",
    usage: "[flags]",
    flags: [...POD_FLAGS, ...PLACE_FLAGS, UUID_FILE_SAVE],
    arguments: [0, 0],
    examples: ["rkt app sandbox", "rkt app sandbox --net=host --uuid-file-save=/run/pod.uuid"],
    later: LATER.pods,
  },
  {
    name: "app add",
    group: "Apps of a running pod",
    summary: "Add an app to a running pod",
    usage: "UUID IMAGE [app flags] [-- ARGUMENTS]",
    grammar: "apps",
    flags: APP_FLAGS,
    examples: [
      "rkt app add 42029c62 example.com/app --name=web",
      "rkt app add 42029c62 example.com/busybox --exec /bin/sleep -- 60",
    ],
    later: LATER.pods,
  },
  {
    name: "app start",
    group: "Apps of a running pod",
    summary: "Start an app that was added or stopped",
    usage: "--app=APP UUID",
    flags: [APP_FLAG],
    arguments: [1, 1],
    examples: ["rkt app start --app=web 42029c62", "rkt app start 42029c62 --app=web"],
    later: LATER.pods,
  },
  {
    name: "app stop",
    group: "Apps of a running pod",
    summary: "Stop an app",
    usage: "--app=APP UUID",
    flags: [APP_FLAG, { name: "force", kind: "switch", help: "Kill it at once" }],
    arguments: [1, 1],
    examples: ["rkt app stop --app=web 42029c62", "rkt app stop --force --app=web 42029c62"],
    later: LATER.pods,
  },
  {
    name: "app rm",
    group: "Apps of a running pod",
    summary: "Remove a stopped app",
    usage: "--app=APP UUID",
    flags: [APP_FLAG, UUID_FILE],
    arguments: [0, 1],
    examples: ["rkt app rm --app=web 42029c62", "rkt app rm --app=web --uuid-file=/run/pod.uuid"],
    later: LATER.pods,
  },
  {
    name: "app list",
    group: "Apps of a running pod",
    summary: "List the apps of a pod",
    usage: "[flags] UUID",
    flags: [NO_LEGEND, FORMAT],
    arguments: [1, 1],
    examples: ["rkt app list 42029c62", "rkt app list --format=json 42029c62"],
    later: LATER.pods,
  },
  {
    name: "app status",
    group: "Apps of a running pod",
    summary: "Show the state of an app",
    usage: "--app=APP [flags] UUID",
    flags: [APP_FLAG, FORMAT],
    arguments: [1, 1],
    examples: [
      "rkt app status --app=web 42029c62",
      "rkt app status --app=web --format=json 42029c62",
    ],
    later: LATER.pods,
  },
  {
    name: "app exec",
    group: "Apps of a running pod",
    summary: "Run a command in an app, as enter does",
    usage: "[--app=APP] UUID [COMMAND [ARGUMENT ...]]",
    grammar: "command",
    flags: [APP_CHOICE, PRIVILEGED],
    arguments: [1, Infinity],
    examples: ["rkt app exec --app=web 42029c62", "rkt app exec --app=web 42029c62 -- /bin/ps"],
    load: () => import("./enter.ts"),
  },
];
