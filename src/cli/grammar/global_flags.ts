/** The flags that every command takes, before or behind its name. */

import type { Stage1Choice } from "../../config/config_kinds.ts";
import { Failure } from "../../failure.ts";
import { type Flag, flagsOf, type FlagTable, flagTable, type RawFlags } from "./flags.ts";
import { suggestion } from "./suggest.ts";

/** A safety measure that a person can switch off. */
export type InsecureOption =
  | "image"
  | "tls"
  | "ondisk"
  | "http"
  | "pubkey"
  | "dsa"
  | "capabilities"
  | "paths"
  | "seccomp";

/** The flags that every command takes. */
export interface GlobalFlags {
  /** Whether help is shown instead of running the command. */
  readonly help: boolean;
  /** Causes and stack traces of errors, and messages about each step. */
  readonly debug: boolean;
  /** Where images and pods are kept. */
  readonly dir: string;
  /** Whether the command line has `--dir`: only then does it override the configuration. */
  readonly dirSet: boolean;
  readonly systemConfig: string;
  readonly localConfig: string;
  /** Absent by default. */
  readonly userConfig?: string;
  /** Where the keys are that a user other than root trusts, beside those of the administrator. */
  readonly ownKeys?: string;
  readonly insecureOptions: ReadonlySet<InsecureOption>;
  /** Whether keys found by discovery are trusted without asking. */
  readonly trustKeysFromHttps: boolean;
  /** The most bytes that an image may have, as it was written. */
  readonly maxSize?: string;
  /** A file of certificates (PEM) of more authorities, beside the system's. */
  readonly caFile?: string;
  /** The stage1 image that the configuration chooses; no flag, and looked up for commands that start pods alone. */
  readonly stage1?: Stage1Choice;
}

const FETCH: readonly InsecureOption[] = ["image", "tls", "http", "pubkey"];
const RUN: readonly InsecureOption[] = ["capabilities", "paths", "seccomp"];

/** The words of `--insecure-options`, and what each of them switches off. */
const INSECURE_OPTIONS: Readonly<Record<string, readonly InsecureOption[]>> = {
  none: [],
  image: ["image"],
  tls: ["tls"],
  ondisk: ["ondisk"],
  http: ["http"],
  pubkey: ["pubkey"],
  dsa: ["dsa"],
  capabilities: ["capabilities"],
  paths: ["paths"],
  seccomp: ["seccomp"],
  "all-fetch": FETCH,
  "all-run": RUN,
  all: [...FETCH, ...RUN, "ondisk", "dsa"],
};

/** The table of global flags. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "debug", kind: "switch", help: "Print more about each step and each error" },
  {
    name: "dir",
    kind: "text",
    value: "DIR",
    default: "/var/lib/rkt",
    help: "Where images and pods are kept",
  },
  {
    name: "system-config",
    kind: "text",
    value: "DIR",
    default: "/usr/lib/rkt",
    help: "The distribution's configuration and keys",
  },
  {
    name: "local-config",
    kind: "text",
    value: "DIR",
    default: "/etc/rkt",
    help: "The administrator's configuration and keys; goes before the system's",
  },
  {
    name: "user-config",
    kind: "text",
    value: "DIR",
    default: "",
    help: "The user's configuration; goes before the administrator's",
  },
  {
    name: "insecure-options",
    kind: "list",
    value: "WORDS",
    default: "none",
    help: `Safety measures to switch off: ${Object.keys(INSECURE_OPTIONS).join(", ")}`,
  },
  {
    name: "trust-keys-from-https",
    kind: "switch",
    help: "Trust keys that discovery finds, without asking",
  },
  {
    name: "ca-file",
    kind: "text",
    value: "FILE",
    help: "More certificates (PEM) that servers may show",
  },
  {
    name: "max-size",
    kind: "text",
    value: "BYTES",
    help: "Fetch no image that has more when it is unpacked, like 2Gi",
  },
  { name: "help", kind: "switch", short: "h", help: "Show what the command does, and its flags" },
];

/** {@linkcode GLOBAL_FLAGS} to look flags up in. */
export const GLOBAL_FLAG_TABLE: FlagTable = flagTable(GLOBAL_FLAGS);

/**
 * Reads the global flags from the texts of the command line.
 *
 * @throws {Failure} an unknown word in `--insecure-options`
 */
export function globalFlags(raw: RawFlags): GlobalFlags {
  const flags = flagsOf(GLOBAL_FLAG_TABLE, raw);
  const userConfig = flags.text("user-config") || undefined;
  const [caFile, maxSize] = [flags.text("ca-file"), flags.text("max-size")];
  return {
    help: flags.on("help"),
    debug: flags.on("debug"),
    dir: filled("dir", flags.text("dir")),
    dirSet: flags.isSet("dir"),
    systemConfig: filled("system-config", flags.text("system-config")),
    localConfig: filled("local-config", flags.text("local-config")),
    ...userConfig !== undefined && { userConfig },
    insecureOptions: insecureOptions(flags.all("insecure-options")),
    trustKeysFromHttps: flags.on("trust-keys-from-https"),
    ...caFile !== undefined && { caFile },
    ...maxSize !== undefined && { maxSize },
  };
}

function filled(name: string, value = ""): string {
  if (value === "") throw new Failure(`--${name} needs the path of a directory`);
  return value;
}

function insecureOptions(words: readonly string[]): ReadonlySet<InsecureOption> {
  const options = new Set<InsecureOption>();
  for (const word of words) {
    if (!Object.hasOwn(INSECURE_OPTIONS, word)) {
      const known = Object.keys(INSECURE_OPTIONS);
      const hint = suggestion(word, known) || `; known are ${known.join(", ")}`;
      throw new Failure(`--insecure-options: unknown word ${JSON.stringify(word)}${hint}`);
    }
    for (const option of INSECURE_OPTIONS[word] ?? []) options.add(option);
  }
  return options;
}
