/** What a process of the plan has inherited of Deno and of whoever started rkt, and how it is undone. */
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, type Section, type Struct } from "../engine/plan.ts";
import { DEFAULT_ACTION, SIGSET_SIZE, WAITED_FOR } from "./signals.ts";

/** What the apps would inherit of Deno and of the caller; and signals wait until they are asked for: those of `waitedFor`. */
export function undoInheritance(setup: Section, waitedFor: Struct = WAITED_FOR): void {
  // Deno ignores SIGPIPE, and the caller may have ignored SIGCHLD.
  setup.must("reset SIGPIPE", "rt_sigaction", [k.SIGPIPE, DEFAULT_ACTION, 0, SIGSET_SIZE]);
  setup.must("reset SIGCHLD", "rt_sigaction", [k.SIGCHLD, DEFAULT_ACTION, 0, SIGSET_SIZE]);
  setup.must("hold signals back", "rt_sigprocmask", [k.SIG_SETMASK, waitedFor, 0, SIGSET_SIZE]);
  limitOpenFiles(setup);
}

/** Deno raised the soft limit to the hard one; programs that use select(2) break above 1024. */
export function limitOpenFiles(setup: Section): void {
  const limit = mutableStruct("rlimit64", ["soft", 8, 0], ["hard", 8, 0]);
  setup.must("read the limit of open files", "prlimit64", [0, k.RLIMIT_NOFILE, 0, limit]);
  setup.compute("put", [addressOf(limit), 1024]);
  // Fails only where the hard limit is below 1024; then the soft one is right as it is.
  setup.attempt("limit open files", "prlimit64", [0, k.RLIMIT_NOFILE, limit, 0]);
}
