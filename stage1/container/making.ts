/** What the processes that make an OCI container have in common: a socket, and what is taken away on a failure. */
import { CONTAINER_RECORD } from "../launcher/container_record.ts";
import * as k from "../../src/linux/constants.ts";
import { EXIT_FAILURE } from "../engine/abort.ts";
import { addressOf, type Section, type Slot, type Space, space } from "../engine/plan.ts";
import type { Container } from "./container.ts";
import type { Foreground } from "./foreground.ts";
import type { HookState } from "./hooks.ts";

/** What the processes of the plan have in common. */
export interface Making {
  readonly container: Container;
  readonly init: Slot;
  /** The socket between worker and init: each word is a message. */
  readonly workerEnd: Slot;
  readonly initEnd: Slot;
  /** The pipe that failures are said over. */
  readonly said: Slot;
  readonly says: Slot;
  /** The caller's terminal, where the container's is relayed to it. */
  readonly foreground?: Foreground;
  /** The digits of init's PID, and their number. */
  readonly digits: Space;
  readonly length: Slot;
}

/** The state as hooks read it at a point. */
export function hookState(
  { container, digits, length }: Making,
  status: "creating" | "created" | "running",
): HookState {
  const [before, after] = container.state(status);
  return [before, { digits, length }, after];
}

/** The state behind its end: there is no process. */
export const stoppedState = ({ container }: Making): HookState => [
  container.state("stopped").join("0"),
];

/** Takes away what there is of a container: its cgroups, its state. What fails is left to `delete --force`. */
export function removeContainer(s: Section, { directory, ownCgroups }: Container): void {
  for (const path of ownCgroups) {
    s.attempt("remove its cgroup", "unlinkat", [k.AT_FDCWD, path, k.AT_REMOVEDIR]);
  }
  for (const name of STATE_FILES) {
    s.attempt("remove its state", "unlinkat", [k.AT_FDCWD, `${directory}/${name}`, 0]);
  }
  s.attempt("remove its state", "unlinkat", [k.AT_FDCWD, directory, k.AT_REMOVEDIR]);
}

/** The files of a container's state. */
export const STATE_FILES = [
  ...["exec.fifo", "lock", CONTAINER_RECORD, "state.json", "pid", "pidfd", "stat"],
] as const;

/** Sends a word to the other side: the digits of init's PID. */
export function tell(s: Section, what: string, to: Slot, { digits, length }: Making): void {
  s.must(what, "sendto", [to, addressOf(digits), length, k.MSG_NOSIGNAL, 0, 0]);
}

/** Waits for a word, and returns where it is. Where the other side has ended it has said why, or nobody needs to know. */
export function hear(s: Section, what: string, from: Slot, name: string): Space {
  const word = space("word", 32);
  s.attempt(`wait ${what}`, "recvfrom", [from, word, 32, 0, 0, 0], {
    branch: { when: "less", operand: 1, to: `no word: ${name}` },
  });
  s.goto(`heard: ${name}`);
  s.label(`no word: ${name}`);
  s.attempt("the other side has ended", "exit_group", [EXIT_FAILURE]);
  s.label(`heard: ${name}`);
  return word;
}
