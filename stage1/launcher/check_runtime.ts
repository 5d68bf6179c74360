/**
 * What Deno can't do without, looked at before it is loaded: it would die of the lack with a stack trace of its own. A
 * repeated start needs none of this, and comes before.
 */
import * as k from "../../src/linux/constants.ts";
import { EXIT_FAILURE } from "../engine/abort.ts";
import { addressOf, type Section, slot, space } from "../engine/plan.ts";

/** `PATH_MAX` (include/uapi/linux/limits.h). */
const PATH_MAX = 4096;

/**
 * Where rkt goes when its working directory was deleted: a directory in which no name of a file is found and nobody can
 * make one. In `/`, a relative path would be another file than the one that was meant.
 */
const NOWHERE = "/proc/self/fdinfo";

/** Bytes of addresses that V8 reserves, with room for the rest: 33 GB were seen to be too few, 36 GB to be enough. */
const LEAST_ADDRESSES = 40 * 1024 ** 3;

/** `RLIM_INFINITY` as a signed number. */
const UNLIMITED = -1;

const NO_PROC = "rkt: /proc is not mounted, and rkt can do nothing without it; mount it\n";
const FEW_ADDRESSES =
  "rkt: the limit of virtual memory (ulimit -v) is too low: rkt's runtime reserves addresses, 40 GiB of them, that it " +
  "does not use; run rkt without this limit, and limit the app by --memory or --ulimit=as=BYTES\n";

/** Checks what Deno needs; ends with one line where something is missing. */
export function checkRuntime(s: Section): void {
  const limit = space("rlimit64 of addresses", 16);
  const soft = slot("limit of addresses");
  const missing = slot("missing");
  const proc = slot("proc");
  s.heading("what the runtime needs");
  s.attempt("see whether there is /proc", "openat", [
    k.AT_FDCWD,
    "/proc/self/exe",
    k.O_PATH | k.O_CLOEXEC,
    0,
  ], { store: proc, branch: { when: "error", to: "no proc" } });
  s.attempt("close it", "close", [proc]);
  s.attempt("see whether the working directory is there", "getcwd", [
    space("working directory of the runtime", PATH_MAX),
    PATH_MAX,
  ], { store: missing });
  s.compute("let", [missing], {
    branch: { when: "different", operand: -2, to: "runtime: working directory" },
  });
  s.attempt("leave the directory that is gone", "chdir", [NOWHERE]);
  s.label("runtime: working directory");
  s.attempt("read the limit of addresses", "prlimit64", [0, k.RLIMIT_AS, 0, limit], {
    branch: { when: "error", to: "runtime: can be loaded" },
  });
  s.compute("load", [addressOf(limit)], { store: soft });
  s.when(soft, UNLIMITED, "runtime: can be loaded");
  s.compute("sub", [soft, LEAST_ADDRESSES], {
    store: soft,
    branch: { when: "less", operand: 0, to: "few addresses" },
  });
  s.goto("runtime: can be loaded");
  for (const [label, line] of [["no proc", NO_PROC], ["few addresses", FEW_ADDRESSES]] as const) {
    s.label(label);
    s.attempt("say what is missing", "write", [2, line, new TextEncoder().encode(line).length]);
    s.attempt("give up", "exit_group", [EXIT_FAILURE]);
  }
  s.label("runtime: can be loaded");
}
