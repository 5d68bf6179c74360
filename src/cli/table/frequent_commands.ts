/**
 * The commands whose start is to be fast: for these the tables of all others are not loaded, a chunk of the program of its own.
 * Help, completion and what is no whole word of a command want all of them.
 */
import type { Command } from "../grammar/command.ts";
import { isFlag, SWITCHES } from "../grammar/flags.ts";
import { GLOBAL_FLAG_TABLE } from "../grammar/global_flags.ts";
import { APP_FLAGS, OLD_PULL_FLAGS, POD_FLAGS, RUN_FLAGS, UUID_FILE_SAVE } from "./run_flags.ts";

/** How the words of commands are written that take images with flags. */
export const APPS_USAGE = "[pod flags] IMAGE [app flags] [-- ARGUMENTS] [--- IMAGE ...]";

/** What these words mean. */
export const APPS_ABOUT: readonly string[] = [
  "App flags belong to the image before them. Behind -- stand arguments for the app's program, up " +
  "to --- or the end. Flags of the pod may stand anywhere else.",
  "An image is a file (with a slash or the ending .aci), a name like example.com/app:1.2, a URL, " +
  "or an image ID of the store.",
];

/** `rkt run`. */
export const RUN: Command = {
  name: "run",
  group: "Pods",
  summary: "Run images as the apps of a new pod",
  usage: APPS_USAGE,
  about: [
    "Ends when the pod ends, with the exit status of the app that failed first, or 0. " +
    "Signals that rkt gets reach the apps.",
    ...APPS_ABOUT,
  ],
  grammar: "apps",
  flags: [
    ...POD_FLAGS,
    ...RUN_FLAGS,
    UUID_FILE_SAVE,
    ...OLD_PULL_FLAGS,
    ...APP_FLAGS,
  ],
  examples: [
    "rkt --insecure-options=image run --net=host ./etcd.aci",
    "rkt run --net=none example.com/busybox --exec /bin/sh -- -c 'echo hello'",
  ],
  load: () => import("../pod/run.ts"),
};

/** `rkt version`. */
export const VERSION: Command = {
  name: "version",
  group: "Host",
  summary: "Print the versions of rkt, of the appc specification and of the runtime",
  usage: "",
  flags: [],
  arguments: [0, 0],
  examples: ["rkt version", "rkt --version"],
  load: () => import("../help/version.ts"),
};

/** In no order: help does not show them. */
export const FREQUENT_COMMANDS: readonly Command[] = [RUN, VERSION];

/**
 * Whether a command line names one of these by its whole name, with nothing before it but global flags: then the table of all
 * commands would say the same.
 */
export function isFrequent(argv: readonly string[]): boolean {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (!isFlag(word)) return FREQUENT_COMMANDS.some(({ name }) => name === word);
    const equals = word.indexOf("=");
    const flag = GLOBAL_FLAG_TABLE.get(equals < 0 ? word : word.slice(0, equals));
    if (flag === undefined) return false;
    const alone = equals >= 0 || flag.bare !== undefined || SWITCHES.has(flag.kind);
    if (!alone) index++;
  }
  return false;
}
