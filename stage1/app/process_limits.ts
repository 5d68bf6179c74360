/** Limits of an app's processes, as setrlimit(2) knows them: `--ulimit`. */
import { Failure } from "../../src/failure.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, struct } from "../engine/plan.ts";
import type { ProcessLimit, Resource } from "../pod.ts";

/** The resources, by the names that people know from ulimit(1), docker and podman. */
export const RESOURCES: Readonly<Record<Resource, number>> = {
  core: k.RLIMIT_CORE,
  cpu: k.RLIMIT_CPU,
  data: k.RLIMIT_DATA,
  fsize: k.RLIMIT_FSIZE,
  locks: k.RLIMIT_LOCKS,
  memlock: k.RLIMIT_MEMLOCK,
  msgqueue: k.RLIMIT_MSGQUEUE,
  nice: k.RLIMIT_NICE,
  nofile: k.RLIMIT_NOFILE,
  nproc: k.RLIMIT_NPROC,
  rss: k.RLIMIT_RSS,
  rtprio: k.RLIMIT_RTPRIO,
  rttime: k.RLIMIT_RTTIME,
  sigpending: k.RLIMIT_SIGPENDING,
  stack: k.RLIMIT_STACK,
  as: k.RLIMIT_AS,
};

/** What stands for no limit (include/uapi/asm-generic/resource.h); above it there is no number. */
export const UNLIMITED = (1n << 64n) - 1n;

/** Whether there is a resource of this name. */
export const isResource = (name: string): name is Resource => Object.hasOwn(RESOURCES, name);

/**
 * Reads `NAME=SOFT[:HARD]`; without HARD both are SOFT. -1 and `unlimited` stand for no limit.
 *
 * @param at the flag or the annotation, for errors
 * @throws {Failure}
 */
export function parseProcessLimit(text: string, at: string): ProcessLimit {
  const [, resource = "", soft = "", hard = soft] = /^([^=]*)=([^:]*)(?::([^:]*))?$/.exec(text) ??
    [];
  if (!isResource(resource)) {
    const names = Object.keys(RESOURCES).sort().join(", ");
    throw new Failure(
      resource === ""
        ? `${at}: ${JSON.stringify(text)} is not of the form NAME=SOFT[:HARD]`
        : `${at}: there is no limit ${JSON.stringify(resource)}; known are ${names}`,
    );
  }
  const limit = {
    resource,
    soft: parseAmount(soft, `${at}: ${resource}`),
    hard: parseAmount(hard, `${at}: ${resource}`),
  };
  if (limit.soft > limit.hard) {
    throw new Failure(`${at}: ${resource}: the soft limit ${soft} is above the hard one, ${hard}`);
  }
  return limit;
}

function parseAmount(text: string, at: string): bigint {
  if (text === "-1" || text === "unlimited") return UNLIMITED;
  const amount = /^\d{1,20}$/.test(text) ? BigInt(text) : UNLIMITED;
  if (amount < UNLIMITED) return amount;
  throw new Failure(`${at}: ${JSON.stringify(text)} is not a whole number, -1 or unlimited`);
}

/**
 * Reads limits, of each resource one at most.
 *
 * @throws {Failure}
 */
export function parseProcessLimits(
  texts: readonly string[],
  at: string,
): readonly ProcessLimit[] {
  const limits = texts.map((text) => parseProcessLimit(text, at));
  const twice = limits.find(({ resource }, i) =>
    limits.findIndex((other) => other.resource === resource) < i
  );
  if (twice !== undefined) throw new Failure(`${at}: ${twice.resource} is there twice`);
  return limits;
}

const amountText = (amount: bigint): string => amount === UNLIMITED ? "unlimited" : `${amount}`;

/** A limit in the form that {@linkcode parseProcessLimit} reads. */
export const processLimitText = ({ resource, soft, hard }: ProcessLimit): string =>
  `${resource}=${amountText(soft)}:${amountText(hard)}`;

/**
 * Why a limit can't be set; `undefined` where it can.
 *
 * @param own the hard limit of who sets it
 * @param mayRaise whether it may raise hard limits
 * @param mostFiles what the kernel allows of open files, /proc/sys/fs/nr_open
 */
export function whyRefused(
  { resource, hard }: ProcessLimit,
  own: bigint,
  mayRaise: boolean,
  mostFiles: bigint,
): string | undefined {
  if (resource === "nofile" && hard > mostFiles) {
    return `this kernel gives a process at most ${mostFiles} open files (/proc/sys/fs/nr_open)`;
  }
  if (mayRaise || hard <= own) return undefined;
  return `the hard limit is above rkt's own, ${amountText(own)}, and rkt may not raise it; ` +
    `ask for less, or start rkt with a higher one`;
}

/**
 * The steps that set a process's limits: while it may still raise them, and when it needs no more than it has already,
 * because even few open files, or little memory, are to be enough.
 */
export function limitProcess(steps: Section, at: string, limits: readonly ProcessLimit[]): void {
  for (const limit of limits) {
    const { resource, soft, hard } = limit;
    steps.must(`set the limit ${processLimitText(limit)} ${at}`, "prlimit64", [
      0,
      RESOURCES[resource],
      struct("rlimit64", ["soft", 8, soft], ["hard", 8, hard]),
      0,
    ], { hint: "rkt's own hard limit is lower, and it may not raise it; ask for less" });
  }
}
