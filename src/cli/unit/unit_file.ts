/** The text of units for a pod, as a person would write them by hand: systemd.service(5), systemd.timer(5). */
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
  /** The directory that relative paths in the words refer to. Absent if there are none. */
  readonly workingDirectory?: string | undefined;
  /** Whether the pod, or fetching its images, needs the network. */
  readonly network: boolean;
  /** When a timer starts it (systemd.time(7)). Absent: it starts at boot. */
  readonly timer?: string | undefined;
}

/** A file of a unit. */
export interface UnitFile {
  readonly name: string;
  readonly text: string;
}

/** The files of a unit: the service, and its timer if it has one. */
export function unitFiles(options: UnitOptions): readonly UnitFile[] {
  const { name, timer } = options;
  const service = { name: `${name}.service`, text: serviceText(options) };
  return timer === undefined
    ? [service]
    : [service, { name: `${name}.timer`, text: timerText(timer, options.description) }];
}

function serviceText(options: UnitOptions): string {
  const { command, before, after, workingDirectory, network, timer } = options;
  const words = (line: readonly UnitWord[]) => commandLine(line, options.name.endsWith("@"));
  return unitText({
    Unit: [
      `Description=${specifierFree(options.description)}`,
      network && "Wants=network-online.target",
      network && "After=network-online.target",
    ],
    Service: [
      "Type=notify",
      workingDirectory && `WorkingDirectory=${specifierFree(workingDirectory)}`,
      before && `ExecStartPre=${words(before)}`,
      `ExecStart=${words(command)}`,
      after && `ExecStopPost=-${words(after)}`,
      // TERM reaches the supervisor alone, which asks the apps to end.
      "KillMode=mixed",
      // The status of an app that TERM has ended.
      "SuccessExitStatus=143",
      timer === undefined && "Restart=on-failure",
      // Images may have to be fetched first.
      "TimeoutStartSec=infinity",
      "Delegate=yes",
      // rkt says how an app ended that ran out of memory, and what that means for the others.
      "OOMPolicy=continue",
    ],
    ...timer === undefined && { Install: ["WantedBy=multi-user.target"] },
  });
}

function timerText(timer: string, description: string): string {
  return unitText({
    Unit: [`Description=${specifierFree(description)}, by the clock`],
    Timer: [`OnCalendar=${specifierFree(timer)}`, "Persistent=true"],
    Install: ["WantedBy=timers.target"],
  });
}

/** The text of sections and their lines. Absent lines are left out. */
function unitText(
  sections: Readonly<Record<string, readonly (string | false | undefined)[]>>,
): string {
  return Object.entries(sections).map(([name, lines]) =>
    [`[${name}]`, ...lines.filter((line) => typeof line === "string" && line !== ""), ""].join("\n")
  ).join("\n");
}
