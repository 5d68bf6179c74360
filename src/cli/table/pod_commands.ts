import type { Command } from "../grammar/command.ts";
import {
  APP_CHOICE,
  FORMAT,
  FULL,
  NO_LEGEND,
  OVERWRITE,
  PRETTY_PRINT,
  PRIVILEGED,
  UUID_FILE,
} from "./output_flags.ts";
import { APPS_ABOUT, APPS_USAGE, RUN } from "./frequent_commands.ts";
import { APP_FLAGS, OLD_PULL_FLAGS, POD_FLAGS, RUN_FLAGS } from "./run_flags.ts";

/** The commands for pods. */
export const POD_COMMANDS: readonly Command[] = [
  RUN,
  {
    name: "prepare",
    group: "Pods",
    summary: "Prepare a pod without running it, and print its UUID",
    usage: APPS_USAGE,
    about: APPS_ABOUT,
    grammar: "apps",
    flags: [
      ...POD_FLAGS,
      { name: "quiet", kind: "switch", help: "Print the UUID only" },
      ...OLD_PULL_FLAGS,
      ...APP_FLAGS,
    ],
    examples: [
      "rkt prepare example.com/app:1.2",
      "rkt run-prepared $(rkt prepare ./app.aci --insecure-options=image)",
    ],
    load: () => import("../pod/prepare.ts"),
  },
  {
    name: "run-prepared",
    group: "Pods",
    summary: "Run a pod that was prepared",
    usage: "[flags] UUID",
    flags: [...RUN_FLAGS, UUID_FILE],
    arguments: [1, 1],
    examples: [
      "rkt run-prepared 42029c62",
      "rkt run-prepared --net=host --hostname=db 42029c62",
    ],
    load: () => import("../pod/run_prepared.ts"),
  },
  {
    name: "list",
    group: "Pods",
    summary: "List pods and their apps",
    usage: "[flags]",
    about: [
      "The newest pods come first. A column with the names of pods is there where a pod has one; --full adds the exit " +
      "statuses of apps.",
      "--filter takes name=, app= and image= (of an image, with or without its version), label= and annotation= (of an " +
      "app, NAME or NAME=VALUE); all that are given must fit.",
    ],
    flags: [FULL, NO_LEGEND, FORMAT, {
      name: "state",
      kind: "list",
      value: "STATE",
      help: "Only pods in one of these states, like running or exited",
    }, {
      name: "filter",
      kind: "texts",
      value: "KEY=VALUE",
      help: "Only pods that fit: name, app, image, label or annotation",
    }, {
      name: "sort",
      kind: "text",
      oneOf: ["created", "started", "name", "state", "uuid"],
      default: "created",
      help: "What the list is sorted by",
    }],
    arguments: [0, 0],
    examples: ["rkt list --state=running", "rkt list --full --filter=app=web --sort=started"],
    load: () => import("../pod/list.ts"),
  },
  {
    name: "status",
    group: "Pods",
    summary: "Show the state of a pod and the exit statuses of its apps",
    usage: "[flags] UUID",
    flags: [
      {
        name: "wait",
        kind: "wait",
        default: "false",
        value: "[=DURATION]",
        help: "Wait until the pod has ended; a time limit needs =",
      },
      {
        name: "wait-ready",
        kind: "wait",
        default: "false",
        value: "[=DURATION]",
        help: "Wait until all apps have started; a time limit needs =",
      },
      {
        name: "check-net",
        kind: "switch",
        help: "Fail if something of a running pod's networks is not as it was set up",
      },
      FORMAT,
      UUID_FILE,
    ],
    arguments: [0, 1],
    examples: ["rkt status 42029c62", "rkt status --wait=30s --uuid-file=/run/app.uuid"],
    load: () => import("../pod/status.ts"),
  },
  {
    name: "stop",
    group: "Pods",
    summary: "Stop running pods",
    usage: "[flags] UUID ...",
    flags: [
      { name: "force", kind: "switch", help: "Kill the apps at once; with --timeout after that" },
      {
        name: "timeout",
        kind: "duration",
        default: "10s",
        help: "How long the apps have to end after TERM, before they are killed",
      },
      {
        name: "no-kill",
        kind: "switch",
        help: "Give up when the time is over, and leave the apps running",
      },
      UUID_FILE,
    ],
    examples: [
      "rkt stop --timeout=1m 42029c62 e127f3b8",
      "rkt stop --timeout=5s --no-kill 42029c62",
    ],
    load: () => import("../pod/stop.ts"),
  },
  {
    name: "rm",
    group: "Pods",
    summary: "Remove pods that don't run",
    usage: "[flags] UUID ...",
    flags: [UUID_FILE],
    examples: ["rkt rm 42029c62", "rkt rm --uuid-file=/run/app.uuid"],
    load: () => import("../pod/rm.ts"),
  },
  {
    name: "gc",
    group: "Pods",
    summary: "Remove pods that have ended some time ago",
    usage: "[flags]",
    about: [
      "The first gc after a pod's end marks it; one that comes after the grace period removes it.",
    ],
    flags: [
      {
        name: "grace-period",
        kind: "duration",
        default: "30m",
        help: "How long pods are kept after they were marked",
      },
      {
        name: "expire-prepared",
        kind: "duration",
        default: "24h",
        help: "How long prepared pods that never ran are kept",
      },
      { name: "mark-only", kind: "switch", help: "Mark pods, remove none" },
      {
        name: "cni-gc",
        kind: "switch",
        help:
          "Let CNI plugins remove what they have for pods that this data directory does not have",
      },
    ],
    arguments: [0, 0],
    examples: ["rkt gc", "rkt gc --grace-period=0s"],
    load: () => import("../pod/gc.ts"),
  },
  {
    name: "enter",
    group: "Pods",
    summary: "Run a command in an app of a running pod",
    usage: "[--app=APP] UUID [COMMAND [ARGUMENT ...]]",
    about: [
      "Without a command: /bin/bash, or /bin/sh where the app has no bash. What stands behind COMMAND " +
      "belongs to it. It runs as root with the app's environment, in the app's namespaces, cgroups and " +
      "root, and may do what the app may do.",
      "Where input and output are a terminal, the command gets a terminal of its own in the app.",
    ],
    grammar: "command",
    flags: [APP_CHOICE, PRIVILEGED, UUID_FILE],
    arguments: [1, Infinity],
    examples: ["rkt enter 42029c62", "rkt enter --app=db 42029c62 /bin/ls -l /data"],
    load: () => import("../pod/enter.ts"),
  },
  {
    name: "logs",
    group: "Pods",
    summary: "Print what the apps of a pod have logged",
    usage: "[flags] UUID",
    flags: [
      { name: "app", kind: "text", value: "APP", help: "Of this app only" },
      { name: "follow", kind: "switch", short: "f", help: "Go on as more is logged" },
      { name: "since", kind: "duration", help: "Of this last time only" },
      { name: "until", kind: "duration", help: "Only what is older than this" },
      { name: "tail", kind: "number", value: "LINES", help: "Only the last so many lines" },
      UUID_FILE,
      {
        name: "timestamps",
        kind: "switch",
        help: "Put the time in front of each line, in UTC",
      },
      {
        name: "format",
        kind: "text",
        oneOf: ["json"],
        help: "Print a JSON object for each line: json",
      },
    ],
    about: [
      "That is what was written to streams that are log, tty or stream (--stdout, --stderr). " +
      "The lines of several apps come in the order of their times, with the app's name in front. " +
      "To a terminal, control characters but those of colours are shown as \\xNN.",
    ],
    arguments: [1, 1],
    examples: ["rkt logs 42029c62", "rkt logs -f --app=web --since=10m 42029c62"],
    load: () => import("../pod/logs.ts"),
  },
  {
    name: "attach",
    group: "Pods",
    summary: "Connect the terminal to an app of a running pod",
    usage: "[flags] UUID",
    flags: [
      APP_CHOICE,
      {
        name: "mode",
        kind: "text",
        value: "MODE",
        default: "auto",
        help: "auto, list, tty, tty-in, tty-out, or some of stdin,stdout,stderr",
      },
      UUID_FILE,
    ],
    arguments: [1, 1],
    about: [
      "An app can be attached to where its streams are tty or stream (--stdin, --stdout, --stderr). " +
      "What nobody was attached for is shown first, up to 64 KiB.",
      "Ctrl-P Ctrl-Q detaches from a terminal, Ctrl-C from streams; the app goes on. When the pod " +
      "ends, attach ends with the exit status of the app.",
    ],
    examples: ["rkt attach 42029c62", "rkt attach --app=web --mode=stdout,stderr 42029c62"],
    load: () => import("../pod/attach.ts"),
  },
  {
    name: "cp",
    group: "Pods",
    summary: "Copy files between the host and an app of a pod",
    usage: "[--app=APP] UUID:PATH PATH | PATH UUID:PATH",
    about: [
      "PATH is a file or a directory. A directory that exists gets the copy with its name, a path that ends with " +
      "/. means what is in it. - is a tar archive on standard input or output.",
      "With --uuid-file the path in the pod begins with a colon, :PATH.",
      "Owners, modes, times and links are kept. From a pod come no setuid bits, and device nodes and sockets stay " +
      "where they are.",
    ],
    flags: [APP_CHOICE, UUID_FILE],
    arguments: [2, 2],
    podInPath: true,
    examples: ["rkt cp 42029c62:/var/log/app.log .", "rkt cp app.conf 42029c62:/etc/app.conf"],
    load: () => import("../pod/cp.ts"),
  },
  {
    name: "export",
    group: "Pods",
    summary: "Write the files of an app of an ended pod as an image",
    usage: "[flags] UUID FILE.aci",
    flags: [
      APP_CHOICE,
      OVERWRITE,
      {
        name: "name",
        kind: "text",
        value: "NAME",
        help: "The image's name, in place of the app's",
      },
      {
        name: "label",
        kind: "texts",
        value: "NAME=VALUE",
        help: "A label of the image, in place of one of this name",
      },
      UUID_FILE,
    ],
    arguments: [2, 2],
    examples: ["rkt export 42029c62 app.aci", "rkt export --app=db --overwrite 42029c62 db.aci"],
    load: () => import("../pod/export.ts"),
  },
  {
    name: "cat-manifest",
    group: "Pods",
    summary: "Print the manifest of a pod",
    usage: "[flags] UUID",
    flags: [PRETTY_PRINT, UUID_FILE],
    arguments: [0, 1],
    examples: ["rkt cat-manifest 42029c62", "rkt cat-manifest --pretty-print=false 42029c62"],
    load: () => import("../pod/cat_manifest.ts"),
  },
];
