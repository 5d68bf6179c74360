/** What a process of an OCI container becomes before execve(2): its limits, user, capabilities and the like (config.md, "Process"). */
import * as k from "../../src/linux/constants.ts";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { type Section, slot, struct, vector } from "../engine/plan.ts";
import { installFilter } from "../seccomp/install_filter.ts";
import { setCapabilitySets } from "../steps/capability_sets.ts";
import { resetProcess } from "../steps/inherited.ts";
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import type { ContainerCapabilities, ContainerLimit, ContainerProcess } from "./container.ts";

/** Sets the limits of the process. */
export function setLimits(s: Section, limits: readonly ContainerLimit[]): void {
  for (const { resource, name, soft, hard } of limits) {
    s.must(`set the limit ${name}`, "prlimit64", [
      0,
      resource,
      struct("rlimit64", ["soft", 8, soft], ["hard", 8, hard]),
      0,
    ], { hint: "the runtime's own hard limit is lower, and it may not raise it" });
  }
}

/** How it is scheduled, and its score for lack of memory: set while it still is a process of the host. */
export function scheduleContainerProcess(s: Section, process: ContainerProcess): void {
  if (process.oomScoreAdj !== undefined) {
    writeOwn(s, "set the score for lack of memory", "oom_score_adj", `${process.oomScoreAdj}`);
  }
  if (process.ioPriority !== undefined) {
    s.must("set the I/O priority", "ioprio_set", [1, 0, process.ioPriority]);
  }
  if (process.scheduler !== undefined) {
    const bytes = struct("sched_attr", ["bytes", process.scheduler.length, process.scheduler]);
    s.must("set the scheduling policy", "sched_setattr", [0, bytes, 0]);
  }
  chooseProcessors(s, "in its cgroup", process.affinity);
  if (process.memoryPolicy !== undefined) {
    const { mode, nodes } = process.memoryPolicy;
    const mask = nodes === undefined ? 0 : struct("nodemask", ["bytes", nodes.length, nodes]);
    s.must("set the memory policy", "set_mempolicy", [mode, mask, (nodes?.length ?? 0) * 8]);
  }
}

/** Chooses the processors that it may run on, where the configuration does. */
export function chooseProcessors(
  s: Section,
  when: string,
  bytes: ContainerProcess["affinity"],
): void {
  if (bytes === undefined) return;
  const mask = struct("cpu_set", ["bytes", bytes.length, bytes]);
  s.must(`choose the processors ${when}`, "sched_setaffinity", [0, bytes.length, mask]);
}

/** Writes a text to a file of the process's own. */
function writeOwn(s: Section, what: string, name: string, text: string): void {
  const file = slot("file");
  s.must(what, "openat", [
    k.AT_FDCWD,
    `/proc/self/${name}`,
    k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0,
  ], { store: file });
  s.must(what, "write", [file, text, new TextEncoder().encode(text).length]);
  s.attempt("close it", "close", [file]);
}

/** The labels of the program that will be executed. */
export function labelContainerProcess(s: Section, { labels }: ContainerProcess): void {
  for (const [file, text] of labels) {
    writeOwn(s, `set the security label ${text}`, file, text);
  }
}

/**
 * Its user, groups, capabilities, working directory and filter. Nothing behind it may need a privilege but what the process
 * is to have itself.
 *
 * @param first the first descriptor that is not the process's
 * @param announce steps before a filter whose listener somebody else takes
 */
export function becomeContainerProcess(
  s: Section,
  process: ContainerProcess,
  first: number,
  announce: () => void,
): void {
  const { capabilities, uid, gid, additionalGids } = process;
  resetProcess(s, "of the container");
  if (process.personality !== undefined) {
    s.must("set the personality", "personality", [process.personality]);
  }
  if (process.newKeyring) {
    s.attempt("start with an empty keyring", "keyctl", [k.KEYCTL_JOIN_SESSION_KEYRING, 0]);
  }
  s.attempt("set the file mode mask", "umask", [process.umask]);
  for (const [number, name] of CAPABILITIES.entries()) {
    if (capabilities === undefined || capabilities.bounding.includes(number)) continue;
    s.must(`drop ${name}`, "prctl", [k.PR_CAPBSET_DROP, number, 0, 0, 0]);
  }
  const listens = process.filter?.listener !== undefined;
  if (!process.noNewPrivileges) {
    if (listens) announce();
    filterContainerProcess(s, process);
  }
  const gids = struct("gids", ...additionalGids.map((each) => ["gid", 4, each] as const));
  setGroups(s, additionalGids.length, gids);
  s.must(`become group ${gid}`, "setresgid", [gid, gid, gid]);
  s.must("keep capabilities as another user", "prctl", [k.PR_SET_KEEPCAPS, 1]);
  // A directory that root alone may enter, and one that the user alone may: both are right.
  const entered = "working directory entered";
  s.attempt("enter the working directory", "chdir", [process.cwd], {
    branch: { when: "equal", operand: 0, to: entered },
  });
  s.must(`become user ${uid}`, "setresuid", [uid, uid, uid]);
  s.must(`enter the working directory ${process.cwd}`, "chdir", [process.cwd]);
  s.label(entered);
  s.must(`become user ${uid}`, "setresuid", [uid, uid, uid]);
  if (capabilities !== undefined) setCapabilities(s, capabilities);
  if (process.noNewPrivileges) {
    s.must("forbid new privileges", "prctl", [k.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
    // While there is still somebody who takes the listener.
    if (listens) {
      announce();
      filterContainerProcess(s, process);
    }
  }
  s.keep(first, "whatever is left is closed by execve(2)");
}

/** In a user namespace with one user nobody can change groups: then none are asked for. */
function setGroups(s: Section, count: number, gids: ReturnType<typeof struct>): void {
  if (count > 0) return s.must("set the supplementary groups", "setgroups", [count, gids]);
  const result = slot("result");
  const done = "no supplementary groups";
  s.attempt("have no supplementary groups", "setgroups", [0, 0], {
    store: result,
    branch: { when: "equal", operand: 0, to: done },
  });
  s.when(result, -ERRNO.EPERM, done);
  s.must("have no supplementary groups", "setgroups", [0, 0]);
  s.label(done);
}

function setCapabilities(s: Section, sets: ContainerCapabilities): void {
  setCapabilitySets(s, "set the capabilities", sets);
  s.attempt("clear the ambient capabilities", "prctl", [
    k.PR_CAP_AMBIENT,
    k.PR_CAP_AMBIENT_CLEAR_ALL,
    0,
    0,
    0,
  ]);
  for (const number of sets.ambient) {
    // What is not inheritable can't be ambient: the specification has the runtime go on.
    s.attempt(`give ${CAPABILITIES[number]} to its programs`, "prctl", [
      k.PR_CAP_AMBIENT,
      k.PR_CAP_AMBIENT_RAISE,
      number,
      0,
      0,
    ]);
  }
}

/** Installs the filter of system calls. */
export function filterContainerProcess(s: Section, { filter }: ContainerProcess): void {
  if (filter === undefined) return;
  installFilter(s, "filter the system calls", filter.program, filter.flags);
}

/** The slot that says which of the executables is there. */
const CHOSEN = slot("executable");
const EXECUTE = 1; // X_OK

/**
 * Looks for the program, as execvp(3) does, before the container is said to be made.
 *
 * @param name as the configuration has it, for errors
 */
export function chooseExecutable(
  s: Section,
  { executables, arguments: [name = ""] }: ContainerProcess,
): void {
  const refused = slot("refused");
  const result = slot("result");
  s.set(refused, -1);
  executables.forEach((path, i) => {
    const next = `look for executable ${i + 1}`;
    s.set(CHOSEN, i);
    s.attempt(`look for ${path}`, "faccessat2", [k.AT_FDCWD, path, EXECUTE, k.AT_EACCESS], {
      store: result,
      branch: { when: "equal", operand: 0, to: `executable ${i} may be executed` },
    });
    s.compute("let", [result], {
      branch: { when: "different", operand: -ERRNO.EACCES, to: next },
    });
    s.set(refused, i);
    s.goto(next);
    s.label(`executable ${i} may be executed`);
    // Entering a directory takes the same right.
    s.attempt(`see whether ${path} is a directory`, "openat", [
      k.AT_FDCWD,
      path,
      k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: result, branch: { when: "less", operand: 0, to: "executable found" } });
    s.attempt("close it", "close", [result]);
    s.set(refused, i);
    s.label(next);
  });
  executables.forEach((path, i) => {
    const other = `executable ${i} was not refused`;
    s.compute("let", [refused], { branch: { when: "different", operand: i, to: other } });
    // It fails, and says why.
    s.must(`exec: "${name}"`, "execve", [path, vector([name]), vector([])]);
    s.label(other);
  });
  const said = name.includes("/")
    ? `exec: "${name}": stat ${name}`
    : `exec: "${name}": executable file not found in $PATH`;
  s.must(said, "faccessat2", [k.AT_FDCWD, executables.at(-1) ?? name, EXECUTE, k.AT_EACCESS]);
  s.label("executable found");
}

/** The last steps: signals are let through, and the program is executed. */
export function executeContainerProcess(s: Section, process: ContainerProcess): void {
  const listens = process.filter?.listener !== undefined;
  if (process.noNewPrivileges && !listens) filterContainerProcess(s, process);
  const { executables, arguments: args, environment } = process;
  const argv = vector(args);
  const envp = vector(environment);
  executables.forEach((path, i) => {
    if (i === executables.length - 1) {
      s.must(`exec ${path}`, "execve", [path, argv, envp]);
      return;
    }
    s.when(CHOSEN, i, `execute ${i}`);
  });
  executables.slice(0, -1).forEach((path, i) => {
    s.label(`execute ${i}`);
    s.must(`exec ${path}`, "execve", [path, argv, envp]);
  });
}

/** Every signal is let through, and has its default effect. */
export function releaseAllSignals(s: Section): void {
  s.must("let signals through", "rt_sigprocmask", [k.SIG_SETMASK, signalSet([]), 0, SIGSET_SIZE]);
}
