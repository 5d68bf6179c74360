/** The text of units for a pod, as a person would write them by hand: systemd.service(5), systemd.timer(5). */
import { Failure } from "../../failure.ts";
import { commandLine, specifierFree, type UnitWord } from "./unit_words.ts";

/** The parts of a unit. */
export interface UnitOptions {
  /** Without `.service`: `web`, or `web@` for a template. */
  readonly name: string;
  readonly description: string;
  /** The words that run the pod, with the program's absolute path in front. */
  readonly command: readonly UnitWord[];
  /** A command that is run before it. */
  readonly before?: readonly UnitWord[] | undefined;
  /** A command that is run after its end. The unit does not fail if it fails. */
  readonly after?: readonly UnitWord[] | undefined;
  /** A command that is run when the pod is up. The unit does not fail if it fails. */
  readonly started?: readonly UnitWord[] | undefined;
  /** What `LoadCredential=` says: systemd.exec(5). */
  readonly credentials?: readonly string[] | undefined;
  /** The directory that relative paths in the words refer to. Absent if there are none. */
  readonly workingDirectory?: string | undefined;
  /** Whether the pod, or fetching its images, needs the network. */
  readonly network: boolean;
  /** When a timer starts it (systemd.time(7)). Absent: it starts at boot, or when somebody connects. */
  readonly timer?: string | undefined;
  /** What starts it when somebody connects. */
  readonly sockets?: Sockets | undefined;
  /** Whether it is for a user's own systemd. */
  readonly user?: boolean | undefined;
}

/** Sockets that systemd opens for a pod (systemd.socket(5)). */
export interface Sockets {
  readonly listen: readonly Listen[];
  /** `FileDescriptorName=` */
  readonly name?: string | undefined;
  /** Whether each connection gets a pod of its own. */
  readonly accept: boolean;
}

/** A line of a socket unit. */
export interface Listen {
  readonly kind: "ListenStream" | "ListenDatagram" | "ListenFIFO";
  readonly address: string;
}

/** A file of a unit. */
export interface UnitFile {
  readonly name: string;
  readonly text: string;
}

/**
 * The files of a unit: the service, and what starts it, if it does not start at boot.
 *
 * @throws {Failure} where a value can't stand in a line
 */
export function unitFiles(options: UnitOptions): readonly UnitFile[] {
  const { name, timer, sockets, description } = options;
  // Each connection has an instance of a template.
  const suffix = sockets?.accept === true ? "@" : "";
  const service = { name: `${name}${suffix}.service`, text: serviceText(options) };
  if (sockets !== undefined) {
    return [service, { name: `${name}.socket`, text: socketText(sockets, description) }];
  }
  return timer === undefined
    ? [service]
    : [service, { name: `${name}.timer`, text: timerText(timer, description) }];
}

function serviceText(options: UnitOptions): string {
  const { command, before, started, after, workingDirectory, timer, sockets, user } = options;
  const words = (line: readonly UnitWord[]) => commandLine(line, options.name.endsWith("@"));
  // A user's systemd knows nothing of the network.
  const network = options.network && user !== true;
  const atBoot = timer === undefined && sockets === undefined;
  return unitText({
    Unit: [
      `Description=${specifierFree(options.description)}`,
      network && "Wants=network-online.target",
      network && "After=network-online.target",
      sockets?.accept === true && "CollectMode=inactive-or-failed",
    ],
    Service: [
      "Type=notify",
      // What the app says to its connection goes there; what it says of errors, to the journal.
      sockets?.accept === true && "StandardInput=socket",
      sockets?.accept === true && "StandardError=journal",
      workingDirectory && `WorkingDirectory=${specifierFree(workingDirectory)}`,
      ...(options.credentials ?? []).map((each) => `LoadCredential=${specifierFree(each)}`),
      before && `ExecStartPre=${words(before)}`,
      `ExecStart=${words(command)}`,
      started && `ExecStartPost=-${words(started)}`,
      after && `ExecStopPost=-${words(after)}`,
      // TERM reaches the supervisor alone, which asks the apps to end.
      "KillMode=mixed",
      // The status of an app that TERM has ended.
      "SuccessExitStatus=143",
      timer === undefined && sockets?.accept !== true && "Restart=on-failure",
      // Images may have to be fetched first.
      "TimeoutStartSec=infinity",
      "Delegate=yes",
      // rkt says how an app ended that ran out of memory, and what that means for the others.
      "OOMPolicy=continue",
    ],
    ...atBoot && { Install: [`WantedBy=${user === true ? "default" : "multi-user"}.target`] },
  });
}

function socketText({ listen, name, accept }: Sockets, description: string): string {
  return unitText({
    Unit: [`Description=${specifierFree(description)}, its sockets`],
    Socket: [
      ...listen.map(({ kind, address }) => `${kind}=${specifierFree(address)}`),
      name && `FileDescriptorName=${name}`,
      accept && "Accept=yes",
    ],
    Install: ["WantedBy=sockets.target"],
  });
}

function timerText(timer: string, description: string): string {
  return unitText({
    Unit: [`Description=${specifierFree(description)}, by the clock`],
    Timer: [`OnCalendar=${specifierFree(timer)}`, "Persistent=true"],
    Install: ["WantedBy=timers.target"],
  });
}

const isLine = (line: string | false | undefined): line is string =>
  typeof line === "string" && line !== "";

/** The text of sections and their lines. Absent lines are left out. */
function unitText(
  sections: Readonly<Record<string, readonly (string | false | undefined)[]>>,
): string {
  return Object.entries(sections).map(([name, lines]) =>
    [`[${name}]`, ...lines.filter(isLine).map(oneLine), ""]
      .join("\n")
  ).join("\n");
}

/**
 * A line that stays one: behind a line break its value would go on as lines of its own, and a backslash at its end takes in the
 * next line (systemd.syntax(7)). Words of commands are quoted, and have neither.
 */
function oneLine(line: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[\x00-\x1f\x7f]|\\$/.test(line)) return line;
  const [name = ""] = line.split("=");
  throw new Failure(
    `${name}= of a unit takes no line breaks, no control characters and no backslash at its end: ${
      JSON.stringify(line.slice(name.length + 1))
    }`,
  );
}
