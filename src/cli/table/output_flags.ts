import type { Flag } from "../grammar/flags.ts";

/** `--format`, of commands that print a table or fields. */
export const FORMAT: Flag = {
  name: "format",
  kind: "text",
  oneOf: ["json", "json-pretty"],
  help: "Print JSON for programs: json, or json-pretty with indentation",
};

/** `--no-legend`, of commands that print a table. */
export const NO_LEGEND: Flag = {
  name: "no-legend",
  kind: "switch",
  help: "Leave out the table's first line",
};

/** `--full`, of commands that cut IDs and round times. */
export const FULL: Flag = {
  name: "full",
  kind: "switch",
  help: "Print IDs, times and sizes in full",
};

/** `--pretty-print`, of commands that print JSON. */
export const PRETTY_PRINT: Flag = {
  name: "pretty-print",
  kind: "switch",
  default: "true",
  help: "Indent the JSON",
};

/** `--uuid-file`, of commands that take a pod's UUID. */
export const UUID_FILE: Flag = {
  name: "uuid-file",
  kind: "text",
  value: "FILE",
  help: "Read the pod's UUID from this file",
};

/** `--overwrite`, of commands that write a file or directory. */
export const OVERWRITE: Flag = {
  name: "overwrite",
  kind: "switch",
  help: "Replace what is there already",
};

/** `--app`, of commands that are about one app. */
export const APP_CHOICE = {
  name: "app",
  kind: "text",
  value: "APP",
  help: "Which app; needed if there are several",
} as const;

/** `--privileged`, of `enter` and `app exec`. */
export const PRIVILEGED = {
  name: "privileged",
  kind: "switch",
  help: "Let the command do what root may do, and not only what the app may do",
} as const;
