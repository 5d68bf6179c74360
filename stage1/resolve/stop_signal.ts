/** The signal that asks an app to end, where its image names one (docker's STOPSIGNAL). */
import { Failure } from "../../src/failure.ts";
import * as k from "../../src/linux/constants.ts";

/** By number, without `SIG` (include/uapi/asm-generic/signal.h; the same on x86 and arm64). */
const NAMES: readonly string[] = [
  ...["", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV"],
  ...["USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU"],
  ...["URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"],
];

/** The first real-time signal that programs see: glibc keeps two for itself (signal(7)). */
const RTMIN = 34;
const RTMAX = 64;

/** The number of a signal by a number, or by a name with or without `SIG`, like `SIGRTMIN+3`; undefined where there is none. */
export function signalNumber(text: string): number | undefined {
  const [, sign, distance] = /^(?:SIG)?RT(?:MIN(\+)|MAX-)(\d{1,2})$/i.exec(text) ?? [];
  const name = text.toUpperCase().replace(/^SIG/, "");
  const number = distance !== undefined
    ? (sign === undefined ? RTMAX - Number(distance) : RTMIN + Number(distance))
    : /^\d{1,2}$/.test(text)
    ? Number(text)
    : name === "RTMIN"
    ? RTMIN
    : name === "RTMAX"
    ? RTMAX
    : NAMES.indexOf(name, 1);
  return number >= 1 && number <= RTMAX ? number : undefined;
}

/**
 * Reads a signal that an image names.
 *
 * @param at what names it, for the message
 * @returns TERM where nothing is named
 * @throws {Failure}
 */
export function parseStopSignal(text: string | undefined, at: string): number {
  if (text === undefined || text === "") return k.SIGTERM;
  const number = signalNumber(text);
  if (number !== undefined) return number;
  throw new Failure(
    `${at}: there is no signal ${
      JSON.stringify(text)
    }; name another with --annotation=org.opencontainers.image.stopsignal=SIGTERM`,
  );
}
