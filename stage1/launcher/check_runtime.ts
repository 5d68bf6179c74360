/**
 * What Deno can't do without, looked at before it is loaded: it would die of the lack with a stack trace of its own. A
 * repeated start needs none of this, and comes before. Where a limit is lower than the 100 MB of the executable itself, the
 * kernel ends the process (SIGSEGV) when it has given up the old program, so nothing of rkt can say why.
 */
import * as k from "../../src/linux/constants.ts";
import { IGNORE_ACTION, SIGSET_SIZE } from "../steps/signals.ts";
import { EXIT_FAILURE } from "../engine/abort.ts";
import { addressOf, type Section, slot, space } from "../engine/plan.ts";

/** `PATH_MAX` (include/uapi/linux/limits.h). */
const PATH_MAX = 4096;

/**
 * Where rkt goes when its working directory was deleted: a directory in which no name of a file is found and nobody can
 * make one. In `/`, a relative path would be another file than the one that was meant.
 */
const NOWHERE = "/proc/self/fdinfo";

/** `RLIM_INFINITY` as a signed number. */
const UNLIMITED = -1;

/** A limit of the process (getrlimit(2)) under which Deno would die of a signal or a panic. */
interface NeededLimit {
  readonly resource: number;
  /** Deno raises the soft limit of open files to the hard one; the others it takes as they are. */
  readonly which: "soft" | "hard";
  readonly least: number;
  readonly line: string;
}

const [KIB, MIB, GIB] = [1024, 1024 ** 2, 1024 ** 3];

const INSTEAD = "run rkt without this limit, and limit the app by";

/** What was seen to be enough, with some room. */
const NEEDED: readonly NeededLimit[] = [
  {
    resource: k.RLIMIT_AS,
    which: "soft",
    // 33 GB were seen to be too few, 36 GB to be enough.
    least: 40 * GIB,
    line:
      "rkt: the limit of virtual memory (ulimit -v) is too low: rkt's runtime reserves addresses, 40 GiB of them, that it " +
      `does not use; ${INSTEAD} --memory or --ulimit=as=BYTES\n`,
  },
  {
    resource: k.RLIMIT_DATA,
    which: "soft",
    least: GIB,
    line:
      "rkt: the limit of data (ulimit -d) is too low: rkt's runtime reserves 1 GiB that it does not use; " +
      `${INSTEAD} --memory or --ulimit=data=BYTES\n`,
  },
  {
    resource: k.RLIMIT_STACK,
    which: "soft",
    least: 768 * KIB,
    line: "rkt: the limit of the stack (ulimit -s) is too low: rkt's runtime needs 768 KiB; " +
      `${INSTEAD} --ulimit=stack=BYTES\n`,
  },
  {
    resource: k.RLIMIT_NOFILE,
    which: "hard",
    least: 32,
    line: "rkt: the limit of open files (ulimit -n) is too low: rkt needs 32 and more; " +
      `${INSTEAD} --ulimit=nofile=NUMBER\n`,
  },
  {
    resource: k.RLIMIT_FSIZE,
    which: "soft",
    least: MIB,
    line:
      "rkt: the limit of a file's size (ulimit -f) is too low: rkt writes files of 1 MiB and more; " +
      `${INSTEAD} --ulimit=fsize=BYTES\n`,
  },
];

const NO_PROC = "rkt: /proc is not mounted, and rkt can do nothing without it; mount it\n";

/** Says what is missing, and ends. */
function giveUp(s: Section, line: string): void {
  s.attempt("say what is missing", "write", [2, line, new TextEncoder().encode(line).length]);
  s.attempt("give up", "exit_group", [EXIT_FAILURE]);
}

function checkLimits(s: Section): void {
  const limit = space("rlimit64 of the runtime", 16);
  const value = slot("limit");
  for (const { resource, which, least, line } of NEEDED) {
    const enough = `runtime: limit ${resource}`;
    s.attempt("read a limit", "prlimit64", [0, resource, 0, limit], {
      branch: { when: "error", to: enough },
    });
    s.compute("load", [addressOf(limit, which === "soft" ? 0 : 8)], { store: value });
    s.when(value, UNLIMITED, enough);
    s.compute("sub", [value, least], {
      store: value,
      branch: { when: "less", operand: 0, to: `${enough} is low` },
    });
    s.goto(enough);
    s.label(`${enough} is low`);
    giveUp(s, line);
    s.label(enough);
  }
  // What is larger than a limit that is enough can't be written, and is told of (EFBIG): the signal would end rkt without a word.
  s.attempt("be told of a file that gets too large", "rt_sigaction", [
    k.SIGXFSZ,
    IGNORE_ACTION,
    0,
    SIGSET_SIZE,
  ]);
}

/** Checks what Deno needs; ends with one line where something is missing. */
export function checkRuntime(s: Section): void {
  const missing = slot("missing");
  const proc = slot("proc");
  s.heading("what the runtime needs");
  // First: where no file can be opened, it is not that there is no /proc.
  checkLimits(s);
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
  s.goto("runtime: can be loaded");
  s.label("no proc");
  giveUp(s, NO_PROC);
  s.label("runtime: can be loaded");
}
