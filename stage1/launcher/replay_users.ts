/**
 * Users of its own for a pod whose start is repeated: another range each time, a namespace with its maps, and the range in
 * the program. src/pod/make/private_users.ts does the same for a first start.
 */
import * as k from "../../src/linux/constants.ts";
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
import { COUNT, MOST_RANGES, USER_NAMESPACE } from "../root/private_users.ts";
import { writeDecimal } from "../steps/decimal.ts";
import { digitsIn, fillHole, type ProgramInMemory } from "./fill_holes.ts";

/** The ranges whose first number has so many digits: the first one and the last one. */
function rangesOf(digits: number): readonly [number, number] {
  return [
    Math.max(1, Math.ceil(10 ** (digits - 1) / COUNT)),
    Math.min(MOST_RANGES, Math.floor((10 ** digits - 1) / COUNT)),
  ];
}

/** The steps. What fails goes on at `failed`, with nothing left but the namespace's descriptor. */
export function makeUsers(s: Section, program: ProgramInMemory, failed: string): void {
  const digits = digitsIn(program.holes);
  const number = slot("number of the range");
  const maps = mutableStruct("maps", ["inside", 2, new TextEncoder().encode("0 ")] as Field, [
    "first, count",
    32,
    new Uint8Array(32),
  ]);
  drawRange(s, number, digits, failed);
  const end = writeMaps(s, number, maps, digits);
  makeNamespace(s, maps, end, failed);
  s.heading("the users in its program");
  fillHole(s, program, "users", addressOf(number));
  fillHole(s, program, "digits", addressOf(maps, 2));
}

/** A range by chance, of those whose digits have the room that there is. */
function drawRange(s: Section, number: Slot, digits: number, failed: string): void {
  const [first, last] = rangesOf(digits);
  const less = slot("out of the ranges");
  s.heading("users of its own: a range by chance");
  s.label("users: draw");
  s.set(number, 0);
  s.attempt("get a number by chance", "getrandom", [addressOf(number), 2, 0], {
    branch: { when: "error", to: failed },
  });
  s.compute("and", [number, MOST_RANGES], { store: number });
  s.compute("sub", [number, first], { store: less });
  s.compute("let", [less], { branch: { when: "less", operand: 0, to: "users: draw" } });
  s.compute("sub", [last, number], { store: less });
  s.compute("let", [less], { branch: { when: "less", operand: 0, to: "users: draw" } });
}

/** Writes the text of uid_map and gid_map; returns the slot with its size. */
function writeMaps(
  s: Section,
  number: Slot,
  maps: ReturnType<typeof mutableStruct>,
  digits: number,
): Slot {
  const shift = slot("first user");
  const end = slot("end of the map");
  // 65536 of them.
  s.compute("shl", [number, 16], { store: shift });
  writeDecimal(s, "users", shift, addressOf(maps, 2), end, { digits, padded: true });
  const tail = new TextEncoder().encode(` ${COUNT}\n`.padEnd(8, "\0"));
  s.compute("put", [end, new DataView(tail.buffer).getBigUint64(0, true)]);
  s.compute("add", [end, ` ${COUNT}\n`.length], { store: end });
  s.compute("sub", [end, maps], { store: end });
  return end;
}

/**
 * Makes a child in a user namespace, which sleeps until it is ended, and opens its directory in /proc.
 *
 * @param name of the labels; unique in the plan
 * @param ways where to go on: `failed`, where there is no child; `fail`, where there is one to be ended
 */
export function startChild(
  s: Section,
  name: string,
  child: Slot,
  directory: Slot,
  { failed, fail }: { readonly failed: string; readonly fail: string },
): void {
  const [path, end] = [space(`${name}: path of the child`, 32), slot("end of the path")];
  s.attempt("make a user namespace", "clone", [k.CLONE_NEWUSER | k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "error", to: failed },
  });
  s.compute("let", [child], { branch: { when: "different", operand: 0, to: `${name}: parent` } });
  s.attempt("hold no locks", "close_range", [0, 0xffff_ffff, 0]);
  s.attempt("die with the parent", "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL, 0, 0, 0]);
  // The parent may have died just before.
  const limit = struct("timespec", ["seconds", 8, 10], ["nanoseconds", 8, 0]);
  s.attempt("wait to be killed", "ppoll", [0, 0, limit, 0, 0]);
  s.attempt("end by itself", "exit_group", [0]);

  s.label(`${name}: parent`);
  s.set(directory, -1);
  s.compute("put", [path, word("/proc/")]);
  writeDecimal(s, `${name}: PID`, child, addressOf(path, "/proc/".length), end, { digits: 10 });
  s.attempt("open the child in /proc", "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: directory, branch: { when: "error", to: fail } });
}

/** A namespace lives in a process until it is open, and its maps are written from outside. The child sleeps till then. */
function makeNamespace(
  s: Section,
  maps: ReturnType<typeof mutableStruct>,
  size: Slot,
  failed: string,
): void {
  const [child, directory] = [slot("child with the users"), slot("child in /proc")];
  const file = slot("namespace or map");
  const fail = "users: end the child";
  startChild(s, "users", child, directory, { failed, fail });
  for (const name of ["uid_map", "gid_map"]) {
    s.attempt(`open ${name}`, "openat", [directory, name, k.O_WRONLY | k.O_CLOEXEC, 0], {
      store: file,
      branch: { when: "error", to: fail },
    });
    s.attempt("write the map", "write", [file, maps, size], {
      branch: { when: "error", to: `users: no ${name}` },
    });
    s.attempt("close it", "close", [file]);
  }
  s.attempt("open the namespace", "openat", [directory, "ns/user", k.O_CLOEXEC, 0], {
    store: file,
    branch: { when: "error", to: fail },
  });
  s.attempt("keep it", "dup3", [file, USER_NAMESPACE, 0]);
  s.keep(USER_NAMESPACE, "the supervisor enters it");
  s.attempt("close it", "close", [file]);
  endChild(s, child, directory);
  s.goto("users: made");

  for (const name of ["uid_map", "gid_map"]) {
    s.label(`users: no ${name}`);
    s.attempt("close the map", "close", [file]);
    if (name === "uid_map") s.goto(fail);
  }
  s.label(fail);
  endChild(s, child, directory);
  s.goto(failed);
  s.label("users: made");
}

/** Ends a child of {@linkcode startChild}. */
export function endChild(s: Section, child: Slot, directory: Slot): void {
  s.attempt("close the child in /proc", "close", [directory]);
  s.attempt("end the child", "kill", [child, k.SIGKILL]);
  s.attempt("wait for its end", "wait4", [child, 0, 0, 0]);
}

/** The first eight bytes of a text, as a number. */
export function word(text: string): bigint {
  const bytes = new Uint8Array(8);
  bytes.set(new TextEncoder().encode(text).subarray(0, 8));
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
