/** A command: an entry of the table, and a function that runs it. */

import type { GlobalFlags } from "./global_flags.ts";
import type { Flag, Flags } from "./flags.ts";

/** The headings of `rkt help`, in its order. */
export const GROUPS = ["Pods", "Apps of a running pod", "Images", "Trust", "Host"] as const;

/** An entry of the table of commands. */
export interface Command {
  /** The words that call it, like `image list`. */
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  /** What it does: one line without a full stop, in `rkt help`. */
  readonly summary: string;
  /** The words behind the name, like `[flags] UUID...`. */
  readonly usage: string;
  /** More about it, for `rkt help COMMAND`; paragraphs, wrapped when shown. */
  readonly about?: readonly string[];
  readonly flags: readonly Flag[];
  /** The least and the greatest number of arguments; any number by default. */
  readonly arguments?: readonly [least: number, most: number];
  /** Whether the pod is named in a part of another argument, so that `--uuid-file` replaces no argument. */
  readonly podInPath?: boolean;
  /** How flags and arguments mix: {@linkcode Grammar}, `"mixed"` by default. */
  readonly grammar?: Grammar;
  /** Two examples. */
  readonly examples: readonly [string, string];
  /** Loads the command's file. Absent if there is none yet. */
  readonly load?: () => Promise<CommandModule>;
  /** Why there is no code yet: "it comes with …". */
  readonly unsupported?: string;
}

/**
 * How a command's flags and arguments mix:
 * - `mixed`: flags stand anywhere, up to `--`;
 * - `command`: the second argument begins another program's command line, which is left as it is;
 * - `apps`: images with their flags and arguments (`IMAGE [app flags] [-- ARGS] [--- IMAGE …]`).
 */
export type Grammar = "mixed" | "command" | "apps";

/** A command's file: `export default async function run(invocation) { … }`. */
export interface CommandModule {
  readonly default: RunCommand;
}

/**
 * Runs a command.
 *
 * @returns the exit status
 * @throws {Failure} printed as `COMMAND: message`
 */
export type RunCommand = (invocation: Invocation) => Promise<number>;

/** A command line, read. */
export interface Invocation {
  readonly command: Command;
  /** The table in which the command was found, for commands that explain or complete others. */
  readonly commands: readonly Command[];
  /** The command's flags; for the grammar `apps` those of the pod. */
  readonly flags: Flags;
  /** The arguments that are no flags; empty for the grammar `apps`. */
  readonly args: readonly string[];
  /** The images of the grammar `apps`, in their order. */
  readonly apps: readonly AppArguments[];
  readonly global: GlobalFlags;
}

/** One image on the command line, with the flags behind it. */
export interface AppArguments {
  readonly image: string;
  readonly flags: Flags;
  /** The words between `--` and `---`, which are appended to the app's `exec`. */
  readonly args: readonly string[];
}
