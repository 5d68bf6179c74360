/**
 * The user namespace of a user other than root, for a start that is repeated: made, with its maps, and entered, before anything
 * else is asked or done. src/rootless/user_namespace.ts does the same for a first start.
 *
 * What fails before it is entered has changed nothing: rkt goes the full way. Behind that there is no way back, so rkt is
 * executed again as root of the namespace, where a first start gets to as well.
 */
import * as k from "../../src/linux/constants.ts";
import { EXIT_FAILURE } from "../engine/abort.ts";
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  space,
  struct,
} from "../engine/plan.ts";
import { writeDecimal } from "../steps/decimal.ts";
import type { Condition } from "./condition.ts";
import { endChild, startChild } from "./replay_users.ts";
import { ENTRY_ADDRESS, HEADER, USER_VARIABLE } from "./start_entry.ts";

/** A map that a program of the system's writes: newuidmap(1), newgidmap(1). */
export interface Mapper {
  /** Absolute. */
  readonly program: string;
  /** Its arguments behind the PID. */
  readonly map: readonly string[];
}

/** The user of a start, and the namespace in which it goes on. */
export interface UserReplay {
  readonly uid: number;
  readonly gid: number;
  /** The programs that write the maps of several users; absent where the namespace has one user. */
  readonly mappers?: readonly Mapper[];
  /** What says which users the namespace has: asked before it is made. */
  readonly conditions: readonly Condition[];
}

/** Whether the namespace was entered: 1, or 0. */
export const ENTERED: Slot = slot("entered");

/** The steps. What fails goes on at `failed`, and {@linkcode ENTERED} says where this process is then. */
export function enterUsers(s: Section, user: UserReplay, failed: string): void {
  const [child, directory, file] = [
    slot("child of the user"),
    slot("the user's child in /proc"),
    slot("map"),
  ];
  const fail = "caller: end the child";
  s.heading("a namespace of the user's");
  startChild(s, "caller", child, directory, { failed, fail });
  if (user.mappers === undefined) writeMaps(s, user, directory, file, fail);
  else runMappers(s, user.mappers, child, fail);
  s.attempt("open the namespace", "openat", [directory, "ns/user", k.O_CLOEXEC, 0], {
    store: file,
    branch: { when: "error", to: fail },
  });
  endChild(s, child, directory);
  s.goto("caller: mapped");
  s.label(fail);
  endChild(s, child, directory);
  s.goto(failed);

  s.label("caller: mapped");
  s.attempt("enter it", "setns", [file, k.CLONE_NEWUSER], {
    branch: { when: "equal", operand: 0, to: "caller: inside" },
  });
  s.attempt("let go of it", "close", [file]);
  s.goto(failed);
  s.label("caller: inside");
  s.set(ENTERED, 1);
  s.attempt("let go of its descriptor", "close", [file]);
  const inside = { branch: { when: "error", to: failed } } as const;
  if (user.mappers !== undefined) s.attempt("have no other groups", "setgroups", [0, 0], inside);
  s.attempt("become root's group", "setresgid", [0, 0, 0], inside);
  s.attempt("become root", "setresuid", [0, 0, 0], inside);
  s.attempt("have mounts of its own", "unshare", [k.CLONE_NEWNS], inside);
}

/** Maps of one line, which everybody may write for himself. */
function writeMaps(
  s: Section,
  { uid, gid }: UserReplay,
  directory: Slot,
  file: Slot,
  fail: string,
): void {
  const texts = [["setgroups", "deny"], ["uid_map", `0 ${uid} 1`], [
    "gid_map",
    `0 ${gid} 1`,
  ]] as const;
  for (const [name, text] of texts) {
    s.attempt(`open ${name}`, "openat", [directory, name, k.O_WRONLY | k.O_CLOEXEC, 0], {
      store: file,
      branch: { when: "error", to: fail },
    });
    s.attempt("write it", "write", [file, text, text.length], {
      branch: { when: "error", to: `caller: no ${name}` },
    });
    s.attempt("close it", "close", [file]);
  }
  s.goto("caller: maps are written");
  for (const [name] of texts) {
    s.label(`caller: no ${name}`);
    s.attempt("close it", "close", [file]);
    s.goto(fail);
  }
  s.label("caller: maps are written");
}

/** Lets both programs work at once, and waits for their ends. */
function runMappers(s: Section, mappers: readonly Mapper[], child: Slot, fail: string): void {
  const digits = space("PID of the child", 24);
  const bad = slot("a program has failed");
  const status = mutableStruct("wait status", ["status", 8, 0]);
  writeDecimal(s, "PID for the programs", child, digits, slot("end of the PID"), { digits: 10 });
  s.set(bad, 0);
  const running = mappers.map((mapper, i) => {
    const pid = slot(`program ${i}`);
    s.attempt(`start ${mapper.program}`, "clone", [k.SIGCHLD, 0, 0, 0, 0], {
      store: pid,
      branch: { when: "equal", operand: 0, to: `caller: program ${i}` },
    });
    return pid;
  });
  for (const [i, pid] of running.entries()) {
    // Without a PID it is an error, which fails too.
    s.compute("put", [status, -1]);
    s.compute("let", [pid], {
      branch: { when: "less", operand: 1, to: `caller: no program ${i}` },
    });
    s.attempt("wait for its end", "wait4", [pid, status, 0, 0]);
    s.label(`caller: no program ${i}`);
    const ended = slot("ended as");
    s.compute("load", [status], { store: ended });
    s.compute("and", [ended, 0xffff_ffff], {
      store: ended,
      branch: { when: "equal", operand: 0, to: `caller: program ${i} is done` },
    });
    s.set(bad, 1);
    s.label(`caller: program ${i} is done`);
  }
  s.when(bad, 1, fail);
  s.goto("caller: programs are done");
  for (const [i, mapper] of mappers.entries()) become(s, mapper, digits, `caller: program ${i}`);
  s.label("caller: programs are done");
}

/** The child that becomes a program: it has nothing of rkt's, and nobody to talk to. */
function become(
  s: Section,
  { program, map }: Mapper,
  digits: ReturnType<typeof space>,
  label: string,
): void {
  const argv = struct(
    `words of ${program}`,
    ["program", 8, program],
    ["PID", 8, addressOf(digits)],
    ...map.map((each): Field => ["number", 8, each]),
    ["end", 8, 0],
  );
  s.label(label);
  s.attempt("have no descriptors", "close_range", [0, 0xffff_ffff, 0]);
  const nothing = slot("/dev/null");
  s.attempt("read nothing", "openat", [k.AT_FDCWD, "/dev/null", k.O_RDWR, 0], { store: nothing });
  for (const fd of [1, 2]) s.attempt("write nowhere", "dup3", [nothing, fd, 0]);
  s.attempt(`become ${program}`, "execve", [program, argv, struct("no variables", ["end", 8, 0])]);
  s.attempt("there is no such program", "exit_group", [127]);
}

/** Executes rkt again, as a first start does; behind this is what runs where that is not possible. */
export function executeAgain(s: Section, { uid }: UserReplay): void {
  const [from, count, variable, same] = [
    slot("envp"),
    slot("bytes of envp"),
    slot("variable"),
    slot("same"),
  ];
  const [environment, to, words] = [slot("environment"), slot("place in envp"), slot("argv")];
  s.heading("go the full way as root of the namespace");
  s.compute("load", [ENTRY_ADDRESS + HEADER.environment], { store: from });
  s.set(count, 16);
  s.label("again: count");
  s.compute("load", [from], { store: variable });
  s.compute("add", [from, 8], { store: from });
  s.compute("add", [count, 8], { store: count });
  s.compute("let", [variable], { branch: { when: "different", operand: 0, to: "again: count" } });
  s.attempt("get memory for the variables", "mmap", [
    0,
    count,
    k.PROT_READ | k.PROT_WRITE,
    k.MAP_PRIVATE | k.MAP_ANONYMOUS,
    -1,
    0,
  ], { store: environment, branch: { when: "error", to: "again: no" } });
  const said = `${USER_VARIABLE}=`;
  s.compute("load", [ENTRY_ADDRESS + HEADER.environment], { store: from });
  s.compute("put", [environment, `${said}${uid}`]);
  s.compute("add", [environment, 8], { store: to });
  s.label("again: copy");
  s.compute("load", [from], { store: variable });
  s.compute("add", [from, 8], { store: from });
  s.when(variable, 0, "again: copied");
  s.compute("same", [variable, said, said.length], { store: same });
  s.when(same, 1, "again: copy");
  s.compute("put", [to, variable]);
  s.compute("add", [to, 8], { store: to });
  s.goto("again: copy");
  s.label("again: copied");
  s.compute("put", [to, 0]);
  s.compute("load", [ENTRY_ADDRESS + HEADER.words], { store: words });
  s.attempt("become rkt again", "execve", ["/proc/self/exe", words, environment]);
  s.label("again: no");
  const line =
    "rkt: this start can't be repeated, and rkt can't be executed again; call it once more\n";
  s.attempt("say so", "write", [2, line, line.length]);
  s.attempt("give up", "exit_group", [EXIT_FAILURE]);
}
