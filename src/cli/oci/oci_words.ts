/** The words of `rkt oci`, as engines give them: global flags, a command, its flags, its arguments. */
import { Failure } from "../../failure.ts";

/** Flags that take a value, and flags that don't, each by all of its names. */
interface Flags {
  readonly values: readonly string[];
  readonly switches: readonly string[];
}

/** A command: its flags, and how many arguments it has. */
interface OciCommand extends Flags {
  readonly usage: string;
  readonly summary: string;
  readonly least: number;
  readonly most: number;
}

const GLOBAL: Flags = {
  values: ["root", "log", "log-format", "log-level", "cgroup-manager", "criu", "rootless"],
  switches: ["debug", "systemd-cgroup", "version", "help", "dry-run"],
};

const MAKING: Flags = {
  values: ["bundle", "pid-file", "console-socket", "preserve-fds"],
  switches: ["no-pivot", "no-new-keyring"],
};

/** The commands. */
export const OCI_COMMANDS = {
  create: {
    ...{ ...MAKING, usage: "[flags] ID", least: 1, most: 1 },
    summary: "Make a container, which waits to be started",
  },
  start: { values: [], switches: [], usage: "ID", summary: "Start a container", least: 1, most: 1 },
  run: {
    values: MAKING.values,
    switches: [...MAKING.switches, "detach", "keep", "no-subreaper"],
    ...{ usage: "[flags] ID", least: 1, most: 1 },
    summary: "Make a container and start it",
  },
  state: { values: [], switches: [], usage: "ID", summary: "Print its state", least: 1, most: 1 },
  kill: {
    ...{ values: [], switches: ["all"], usage: "[flags] ID [SIGNAL]", least: 1, most: 2 },
    summary: "Send a signal to a container, TERM by default",
  },
  delete: {
    ...{ values: [], switches: ["force"], usage: "[flags] ID", least: 1, most: 1 },
    summary: "Remove a container that has ended",
  },
  exec: {
    values: [
      ...["process", "pid-file", "console-socket", "cwd", "env", "user", "additional-gids", "cap"],
      ...["preserve-fds", "process-label", "apparmor", "cgroup"],
    ],
    switches: ["detach", "tty", "no-new-privs", "ignore-paused"],
    ...{ usage: "[flags] ID COMMAND [ARG...]", least: 1, most: Infinity },
    summary: "Run a process in a container",
  },
  list: {
    ...{ values: ["format"], switches: ["quiet"], usage: "[flags]", least: 0, most: 0 },
    summary: "List containers",
  },
  ps: {
    ...{ values: ["format"], switches: [], usage: "[flags] ID [ps options]", least: 1 },
    ...{ most: Infinity, summary: "List the processes of a container" },
  },
  pause: {
    values: [],
    switches: [],
    usage: "ID",
    summary: "Stop it where it is",
    least: 1,
    most: 1,
  },
  resume: { values: [], switches: [], usage: "ID", summary: "Let it go on", least: 1, most: 1 },
  update: {
    values: [
      ...["resources", "memory", "memory-swap", "memory-reservation", "cpu-share", "cpu-shares"],
      ...["cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems", "pids-limit", "blkio-weight"],
      ...["cpu-idle", "cpu-burst", "kernel-memory", "kernel-memory-tcp"],
    ],
    ...{ switches: [], usage: "[flags] ID", least: 1, most: 1 },
    summary: "Change what a container may use",
  },
  events: {
    ...{ values: ["interval"], switches: ["stats"], usage: "[flags] ID", least: 1, most: 1 },
    summary: "Print what a container uses",
  },
  features: {
    values: [],
    switches: [],
    usage: "",
    summary: "Print what this runtime knows",
    least: 0,
    most: 0,
  },
  spec: {
    ...{ values: ["bundle"], switches: ["rootless"], usage: "[flags]", least: 0, most: 0 },
    summary: "Write a config.json to begin with",
  },
} as const satisfies Readonly<Record<string, OciCommand>>;

/** The name of a command. */
export type OciCommandName = keyof typeof OCI_COMMANDS;

const isCommand = (name: string): name is OciCommandName => Object.hasOwn(OCI_COMMANDS, name);

/** Other names of flags: short ones. */
const SHORT: Readonly<Record<string, string>> = {
  b: "bundle",
  d: "detach",
  t: "tty",
  e: "env",
  u: "user",
  g: "additional-gids",
  p: "process",
  c: "cap",
  a: "all",
  f: "force",
  q: "quiet",
  r: "resources",
  v: "version",
  h: "help",
};

/** In `list` and `ps` this letter is another flag's. */
const FORMAT = { short: "f", name: "format" } as const;

/** The words, read. */
export class OciWords {
  readonly #flags = new Map<string, string[]>();

  constructor(
    readonly command: OciCommandName | undefined,
    readonly args: readonly string[],
    flags: readonly (readonly [name: string, value: string])[],
  ) {
    for (const [name, value] of flags) {
      this.#flags.set(name, [...this.#flags.get(name) ?? [], value]);
    }
  }

  /** The last value of a flag. */
  value(name: string): string | undefined {
    return this.#flags.get(name)?.at(-1);
  }

  /** All values of a flag. */
  values(name: string): readonly string[] {
    return this.#flags.get(name) ?? [];
  }

  on(name: string): boolean {
    const value = this.value(name);
    return value !== undefined && value !== "false";
  }

  /** The container that the command is about. */
  get id(): string {
    const [id] = this.args;
    if (id === undefined) throw new Failure("the name of a container is missing", 1);
    return id;
  }
}

/**
 * Reads the words behind `rkt oci`.
 *
 * @throws {Failure}
 */
export function readOciWords(words: readonly string[]): OciWords {
  const flags: (readonly [string, string])[] = [];
  const rest = [...words];
  readFlags(rest, GLOBAL, flags);
  const name = rest.shift();
  if (name === undefined || name === "help") return new OciWords(undefined, [], flags);
  if (!isCommand(name)) {
    throw new Failure(`there is no command ${JSON.stringify(name)}: try rkt oci --help`, 1);
  }
  const command: OciCommand = OCI_COMMANDS[name];
  const args: string[] = [];
  while (rest.length > 0) {
    // What stands behind the container is another program's command line.
    if (command.most === Infinity && args.length > 0) break;
    readFlags(rest, command, flags, name === "list" || name === "ps");
    const next = rest.shift();
    if (next !== undefined) args.push(next);
  }
  if (rest[0] === "--" && command.most === Infinity) rest.shift();
  args.push(...rest);
  const asks = flags.some(([flag]) => flag === "help");
  if (!asks && (args.length < command.least || args.length > command.most)) {
    throw new Failure(`usage: rkt oci ${name} ${command.usage}`, 1);
  }
  return new OciWords(name, args, flags);
}

/** Takes flags from the beginning of some words. */
function readFlags(
  words: string[],
  known: Flags,
  flags: (readonly [string, string])[],
  hasFormat = false,
): void {
  while (words[0] !== undefined && words[0].startsWith("-") && words[0] !== "-") {
    const word = words.shift() ?? "";
    if (word === "--") return;
    const [, written = "", value] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const isShort = !word.startsWith("--") && written.length === 1;
    const name = isShort
      ? (hasFormat && written === FORMAT.short ? FORMAT.name : SHORT[written] ?? written)
      : written;
    if (known.switches.includes(name) || name === "help") {
      flags.push([name, value ?? "true"]);
    } else if (known.values.includes(name)) {
      const given = value ?? words.shift();
      if (given === undefined) throw new Failure(`--${name}: its value is missing`, 1);
      flags.push([name, given]);
    } else throw new Failure(`flag provided but not defined: ${word.split("=")[0]}`, 1);
  }
}
