/**
 * Descriptors that a service manager has passed to rkt, on their way to the apps: sd_listen_fds(3).
 *
 * Supervisor and init have them under the numbers that they came with. Only init keeps them, for as long as an app may start;
 * the service manager has its own, so an app that ends takes no listening socket with it.
 */
import {
  addressOf,
  mutableStruct,
  type Section,
  slot,
  type Struct,
  struct,
} from "../engine/plan.ts";
import { FIRST_PASSED, type PassedToApp, type Pod } from "../pod.ts";
import { writeDecimal } from "../steps/decimal.ts";

/** Steps of a process that has no more use for the descriptors. */
export function leavePassed(steps: Section, { passed = 0 }: Pod): void {
  if (passed === 0) return;
  steps.attempt("let go of the service manager's descriptors", "close_range", [
    FIRST_PASSED,
    FIRST_PASSED + passed - 1,
    0,
  ]);
}

/**
 * Steps of an app's process: its own descriptors come to stand side by side. Those of other apps are closed later with all
 * others.
 *
 * @returns the first descriptor that is none of them
 */
export function takePassed(steps: Section, at: string, passed?: PassedToApp): number {
  const { numbers } = passed ?? { numbers: [] };
  for (const [place, number] of numbers.entries()) {
    // Ascending, and never above its number: none is overwritten that is still to be moved.
    if (number === place) continue;
    steps.must(`take a descriptor of the service manager ${at}`, "dup3", [
      FIRST_PASSED + number,
      FIRST_PASSED + place,
      0,
    ]);
  }
  return FIRST_PASSED + numbers.length;
}

/** Variables by which a program finds its descriptors. */
const VARIABLES = /^LISTEN_(FDS|PID|FDNAMES|PIDFDID)=/;

/** The most digits of a PID (`PID_MAX_LIMIT`, include/linux/threads.h). */
const PID_DIGITS = 7;

/**
 * An app's environment with what tells it of its descriptors. A program believes `LISTEN_FDS` only where `LISTEN_PID` is its own
 * PID, and that is known to no one but the process itself.
 */
export function passedEnvironment(
  steps: Section,
  at: string,
  environment: readonly string[],
  { numbers, names }: PassedToApp,
): Struct {
  const name = "LISTEN_PID=";
  const variable = mutableStruct(
    "LISTEN_PID",
    ["name", name.length, new TextEncoder().encode(name)],
    ["digits", PID_DIGITS + 8, new Uint8Array(PID_DIGITS + 8)],
  );
  const pid = slot("own PID");
  const end = slot("end of the PID");
  steps.attempt(`get the PID in the pod ${at}`, "getpid", [], { store: pid });
  writeDecimal(steps, `LISTEN_PID ${at}`, pid, addressOf(variable, name.length), end, {
    digits: PID_DIGITS,
  });
  const others = [
    ...environment.filter((each) => !VARIABLES.test(each)),
    `LISTEN_FDS=${numbers.length}`,
    ...names === undefined ? [] : [`LISTEN_FDNAMES=${names.join(":")}`],
  ];
  return struct(
    "environment",
    ...others.map((each) => ["variable", 8, each] as const),
    ["LISTEN_PID", 8, addressOf(variable)],
    ["end", 8, 0],
  );
}
