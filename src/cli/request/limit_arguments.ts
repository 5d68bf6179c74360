/** The flags behind an image that limit what its app may do and use: isolators, and annotations where there is none. */
import type { Annotation } from "../../appc/annotation.ts";
import { type Isolator, isolator } from "../../appc/isolator.ts";
import { optional, string } from "../../appc/json_value.ts";
import { rktAnnotation } from "../../appc/rkt_annotation.ts";
import { DEVICE_LIMITS, deviceLimitsText, parseDeviceLimit } from "../../cgroup/device_limits.ts";
import { Failure } from "../../failure.ts";
import { parseProcessLimits, processLimitText } from "../../../stage1/app/process_limits.ts";
import type { Flags } from "../grammar/flags.ts";
import { noneTwice, splitPair } from "../grammar/key_values.ts";

/**
 * An amount of bytes. What docker and others write is not what a quantity means: `64m` is 64 thousandths of a byte.
 *
 * @throws {Failure} suggests what is meant
 */
function bytes(flags: Flags, name: string): string | undefined {
  const text = flags.text(name);
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([kmgtp])(?:i?b)?$/i.exec(text ?? "") ?? [];
  if (number === undefined || /^\d+(?:\.\d+)?(?:k|[MGTP])$/.test(text ?? "")) return text;
  const letter = unit.toUpperCase();
  throw new Failure(
    `--${name}: ${
      JSON.stringify(text)
    } is not an amount of bytes; write ${number}${letter}, or ${number}${letter}i for powers of 1024`,
  );
}

/** The flags that make isolators: name of the flag, of the isolator, and the isolator's value. */
const ISOLATOR_FLAGS: readonly (readonly [string, string, (flags: Flags) => unknown])[] = [
  ["caps-retain", "os/linux/capabilities-retain-set", (f) => ({ set: f.all("caps-retain") })],
  ["caps-remove", "os/linux/capabilities-remove-set", (f) => ({ set: f.all("caps-remove") })],
  ["memory", "resource/memory", (f) => ({ limit: bytes(f, "memory") })],
  ["memory-swap", "os/linux/memory-swap", (f) => ({ limit: bytes(f, "memory-swap") })],
  ["pids-limit", "os/linux/pids-limit", (f) => f.number("pids-limit")],
  ["io-weight", "os/linux/io-weight", (f) => f.number("io-weight")],
  ["cpu", "resource/cpu", (f) => ({ limit: f.text("cpu") })],
  ["cpu-shares", "os/linux/cpu-shares", (f) => f.number("cpu-shares")],
  ["oom-score-adj", "os/linux/oom-score-adj", (f) => Number(f.text("oom-score-adj"))],
];

/**
 * The isolators that were asked for.
 *
 * @throws {Failure | AppcError} names the flag
 */
export function isolators(flags: Flags): readonly Isolator[] {
  if (flags.isSet("caps-retain") && flags.isSet("caps-remove")) {
    throw new Failure("--caps-retain and --caps-remove exclude each other");
  }
  const made = ISOLATOR_FLAGS.filter(([flag]) => flags.isSet(flag))
    .map(([flag, name, value]) => isolator(name, value(flags), `--${flag}`));
  if (flags.on("allow-new-privileges")) {
    made.push(isolator("os/linux/no-new-privileges", false, "--allow-new-privileges"));
  }
  const seccomp = filled(flags, "seccomp");
  return seccomp === undefined ? made : [...made, parseSeccompArgument(seccomp)];
}

/**
 * Reads `mode=retain|remove,[errno=NAME,]CALL,…`.
 *
 * @throws {Failure | AppcError}
 */
export function parseSeccompArgument(argument: string): Isolator {
  const words = argument.split(",");
  const pairs = words.filter((word) => word.includes("="))
    .map((word) => splitPair("--seccomp", word));
  const { mode, errno, ...rest } = Object.fromEntries(noneTwice("--seccomp", pairs, (p) => p[0]));
  if (mode !== "retain" && mode !== "remove") {
    throw new Failure("--seccomp needs mode=retain or mode=remove");
  }
  const [stranger] = Object.keys(rest);
  if (stranger !== undefined) throw new Failure(`--seccomp: ${stranger} is not mode or errno`);
  const set = words.filter((word) => !word.includes("="));
  return isolator(`os/linux/seccomp-${mode}-set`, { set, errno }, "--seccomp");
}

/**
 * Annotations from `--ulimit`, `--device-read-bps` and its like.
 *
 * @throws {Failure | AppcError} names the flag
 */
export function limits(flags: Flags): readonly Annotation[] {
  const ulimits = parseProcessLimits(flags.all("ulimit"), "--ulimit");
  const devices = DEVICE_LIMITS.flatMap((kind) => {
    const flag = `--device-${kind}`;
    const limits = flags.all(`device-${kind}`).map((text) => parseDeviceLimit(kind, text, flag));
    return noneTwice(flag, limits, ({ path }) => path);
  });
  const text = (list: readonly unknown[], text: string) => list.length > 0 ? text : undefined;
  return [
    ...rktAnnotation("ulimits", text(ulimits, ulimits.map(processLimitText).join(","))),
    ...rktAnnotation("deviceLimits", text(devices, deviceLimitsText(devices))),
  ];
}

/** A flag's text; absent where the command line has none, refused where it is empty. */
export function filled(flags: Flags, name: string): string | undefined {
  const text = flags.text(name);
  if (text === "") throw new Failure(`--${name} is empty`);
  return optional(text, `--${name}`, string);
}
