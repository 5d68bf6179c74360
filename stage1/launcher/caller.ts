/** Who has called rkt, as the kernel says, and the variables that decide what a repeated start is. */
import * as k from "../../src/linux/constants.ts";
import { STATX } from "../../src/linux/statx.ts";
import { addressOf, type Section, type Slot, slot, type Space } from "../engine/plan.ts";
import type { Start } from "./load_interpreter.ts";
import { MANAGER_VARIABLES, RUNTIME_VARIABLE, USER_VARIABLES } from "./start_entry.ts";

// include/uapi/linux/auxvec.h
const AT_UID = 11;
const AT_EUID = 12;
const AT_GID = 13;
const AT_EGID = 14;
const AT_SECURE = 23;

/** The caller, and the group. */
export const USER = slot("user");
export const GROUP = slot("group");
const EFFECTIVE_USER = slot("effective user");
const EFFECTIVE_GROUP = slot("effective group");
const GAINED = slot("gained by execve");

/** What the kernel says of the caller, by the entries of auxv; -1 where it says nothing. */
const CALLER = [
  { type: AT_UID, value: USER },
  { type: AT_EUID, value: EFFECTIVE_USER },
  { type: AT_GID, value: GROUP },
  { type: AT_EGID, value: EFFECTIVE_GROUP },
  { type: AT_SECURE, value: GAINED },
] as const;

/** Goes the full way unless the caller is one user and one group, and the program gained nothing by execve. */
export function checkCaller(s: Section, { auxv }: Start): void {
  const at = slot("auxv entry");
  const type = slot("auxv entry type");
  const value = slot("auxv entry value");
  s.heading("only the caller's own starts, of a program that gained nothing by execve");
  for (const { value } of CALLER) s.set(value, -1);
  s.set(at, auxv);
  s.label("caller: each");
  s.compute("load", [at], { store: type });
  s.when(type, 0, "caller: end");
  s.compute("add", [at, 8], { store: value });
  s.compute("load", [value], { store: value });
  s.compute("add", [at, 16], { store: at });
  for (const { type: wanted } of CALLER) s.when(type, wanted, `caller: ${wanted}`);
  s.goto("caller: each");
  for (const { type: wanted, value: found } of CALLER) {
    s.label(`caller: ${wanted}`);
    s.set(found, value);
    s.goto("caller: each");
  }
  s.label("caller: end");
  s.compute("let", [GAINED], { branch: { when: "different", operand: 0, to: "full way" } });
  for (const [real, effective] of [[USER, EFFECTIVE_USER], [GROUP, EFFECTIVE_GROUP]] as const) {
    s.compute("let", [real], { branch: { when: "less", operand: 0, to: "full way" } });
    s.compute("sub", [real, effective], { store: value });
    s.compute("let", [value], { branch: { when: "different", operand: 0, to: "full way" } });
  }
}

/** Goes on elsewhere unless an open file is the caller's; leaves its statx in `status`. */
export function checkUser(
  s: Section,
  what: string,
  file: Slot,
  status: Space,
  otherwise: string,
): void {
  const word = slot("statx word");
  s.attempt(what, "statx", [file, "", k.AT_EMPTY_PATH, k.STATX_BASIC_STATS, status], {
    branch: { when: "error", to: otherwise },
  });
  s.compute("load", [addressOf(status, STATX.links)], { store: word });
  s.compute("shr", [word, 32], { store: word }); // stx_uid stands behind stx_nlink
  s.compute("sub", [word, USER], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: otherwise } });
}

/** Goes on elsewhere unless an open file is the caller's and has this mode, with its type; leaves its statx in `status`. */
export function checkOwner(
  s: Section,
  what: string,
  file: Slot,
  mode: number,
  status: Space,
  otherwise: string,
): void {
  const word = slot("statx word");
  checkUser(s, what, file, status, otherwise);
  s.compute("load", [addressOf(status, STATX.mode)], { store: word });
  s.compute("and", [word, 0xffff], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: mode, to: otherwise } });
}

/** A variable: where it is, and its bytes, none where it is not set. */
const variable = (name: string) => ({
  name: `${name}=`,
  at: slot(name),
  size: slot(`bytes of ${name}`),
});

/** Those that are part of every key, and those that are part of the keys of users other than root. */
const ROOT_VARIABLES = MANAGER_VARIABLES.map(variable);
const OTHERS_VARIABLES = USER_VARIABLES.map(variable);
export const VARIABLES = [...ROOT_VARIABLES, ...OTHERS_VARIABLES];
/** Names the directory of a user; not part of the key. */
export const RUNTIME = variable(RUNTIME_VARIABLE);

/** Finds the variables that are part of the key, and a user's directory; the first of two counts. */
export function findVariables(s: Section, { envp }: Start): void {
  const at = slot("envp entry");
  const word = slot("variable");
  const same = slot("same");
  s.heading("variables of a service manager, and of a user");
  const all = [...VARIABLES, RUNTIME];
  for (const variable of all) {
    s.set(variable.at, envp);
    s.set(variable.size, 0);
  }
  s.set(at, envp);
  s.label("environment: each");
  s.compute("load", [at], { store: word });
  s.when(word, 0, "environment: end");
  s.compute("add", [at, 8], { store: at });
  for (const { name, at: found, size } of all) {
    const no = `environment: not ${name}`;
    s.compute("same", [word, name, name.length], { store: same });
    s.when(same, 0, no);
    s.compute("let", [size], { branch: { when: "different", operand: 0, to: no } });
    s.set(found, word);
    s.compute("length", [word], { store: size });
    s.compute("add", [size, 1], { store: size });
    s.label(no);
  }
  s.goto("environment: each");
  s.label("environment: end");
  s.compute("let", [USER], {
    branch: { when: "different", operand: 0, to: "environment: a user's" },
  });
  for (const { size } of OTHERS_VARIABLES) s.set(size, 0);
  s.label("environment: a user's");
}
