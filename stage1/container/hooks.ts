/** Hooks of an OCI container: programs that get its state as their input, and whose failure is the runtime's (config.md). */
import * as k from "../../src/linux/constants.ts";
import { ERROR_FD, EXIT_FAILURE, oneLine } from "../engine/abort.ts";
import { addressOf, type Section, type Slot, slot, space, vector } from "../engine/plan.ts";
import { splitPair } from "../steps/fd_passing.ts";
import { alarm } from "../steps/signals.ts";
import type { ContainerHook } from "./container.ts";
import { releaseAllSignals } from "./container_process.ts";

/** The state that hooks read, in parts: texts, and the digits of a PID with their number. */
export type HookState = readonly (
  | string
  | { readonly digits: ReturnType<typeof space>; readonly length: Slot }
)[];

/** What the failure of a hook does: nothing; it ends this process; or the process goes on at a label. */
export type HookFailure = "passes" | "ends" | { readonly goesTo: string };

/** Bytes of UTF-8. */
const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/**
 * Runs hooks, one after the other.
 *
 * @param point its name in the specification; unique in the plan
 * @param failure what a failure does; where it does something, it is said
 */
export function runHooks(
  s: Section,
  point: string,
  hooks: readonly ContainerHook[],
  state: HookState,
  failure: HookFailure,
): void {
  for (const [i, hook] of hooks.entries()) {
    const name = `${point} hook ${i}`;
    const [input, output, child, status] = [
      slot("hook's input"),
      slot("input's other end"),
      slot("hook"),
      slot("status"),
    ];
    const pair = space("pipe", 8);
    s.heading(`${name}: ${hook.path}`);
    s.must(`make the input of ${name}`, "pipe2", [pair, k.O_CLOEXEC]);
    splitPair(s, pair, input, output);
    s.must(`make a process for ${name}`, "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: child });
    s.compute("let", [child], {
      branch: { when: "different", operand: 0, to: `${name} is made` },
    });
    s.must(`give ${name} its input`, "dup3", [input, 0, 0]);
    s.must("leave it the standard streams only", "close_range", [
      3,
      0xffffffff,
      k.CLOSE_RANGE_CLOEXEC,
    ]);
    if (hook.timeout !== undefined) alarm(s, hook.timeout);
    releaseAllSignals(s);
    s.must(`run ${name}: ${hook.path}`, "execve", [
      hook.path,
      vector(hook.arguments),
      vector(hook.environment),
    ]);
    s.label(`${name} is made`);
    s.attempt("leave its input to the hook", "close", [input]);
    for (const part of state) {
      const [text, length] = typeof part === "string"
        ? [part, bytesOf(part)] as const
        : [addressOf(part.digits), part.length] as const;
      s.attempt(`tell ${name} the state`, "write", [output, text, length]);
    }
    s.attempt("end its input", "close", [output]);
    s.attempt(`wait for ${name}`, "wait4", [child, addressOf(status), 0, 0]);
    s.compute("and", [status, 0xffff], {
      store: status,
      branch: { when: "equal", operand: 0, to: `${name} is done` },
    });
    if (failure !== "passes") {
      const text = `error running ${name} (${oneLine(hook.path)}): it failed or took too long`;
      const fd = slot("error fd");
      s.compute("load", [addressOf(ERROR_FD)], { store: fd });
      s.attempt("say so", "write", [fd, `${text}\n`, bytesOf(text) + 1]);
      if (failure === "ends") s.attempt("give up", "exit_group", [EXIT_FAILURE]);
      else s.goto(failure.goesTo);
    }
    s.label(`${name} is done`);
  }
}
