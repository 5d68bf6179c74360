/**
 * `--interactive`, and apps with a terminal to attach to: the app's terminal is a pty of the pod's own devpts. These are the steps
 * of init and of the app; the supervisor's, which relay the caller's terminal to it, are in relay.ts.
 */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, type Space, struct } from "../engine/plan.ts";
import { type FdSocket, sendDescriptor } from "../steps/fd_passing.ts";
import type { PodApp } from "../pod.ts";

/** The terminal's part of a plan. */
export interface Terminal {
  /** The socket by which init hands the master to the supervisor. */
  readonly fdSocket: FdSocket;
  readonly master: Slot;
  /** The caller's modes: `struct termios` of include/uapi/asm-generic/termbits.h, 36 bytes. */
  readonly saved: Space;
  readonly input: Slot;
  readonly output: Slot;
  readonly guard: Slot;
}

/**
 * Steps of init: opens the first pty of a devpts that was just mounted. It is the app's /dev/console too.
 *
 * @param master gets the master
 */
export function makePty(
  steps: Section,
  at: string,
  pts: Slot,
  dev: Slot,
  app: PodApp,
  master: Slot,
): void {
  openMaster(steps, at, pts, "ptmx", master);
  steps.must(`give the terminal to user ${app.uid} ${at}`, "fchownat", [pts, "0", app.uid, -1, 0]);
  const clone = slot("clone");
  steps.must(`mount the terminal on /dev/console ${at}`, "open_tree", [
    pts,
    "0",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: clone });
  steps.must(`attach /dev/console ${at}`, "move_mount", [
    clone,
    "",
    dev,
    "console",
    k.MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  steps.attempt("close it", "close", [clone]);
}

function openMaster(
  steps: Section,
  at: string,
  directory: Slot | number,
  path: string,
  master: Slot,
): void {
  steps.must(`open the master of a terminal ${at}`, "openat", [
    directory,
    path,
    k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC,
    0,
  ], { store: master });
  unlockTerminal(steps, at, master);
}

/** A new terminal can't be opened before. */
export function unlockTerminal(steps: Section, at: string, master: Slot): void {
  const unlocked = struct("int", ["locked", 4, 0], ["", 4, 0]);
  steps.must(`unlock the terminal ${at}`, "ioctl", [master, k.TIOCSPTLCK, unlocked]);
}

/** Opens a terminal through its master: somebody may have put something else at its path. */
export function openThroughMaster(steps: Section, at: string, master: Slot, slave: Slot): void {
  steps.must(`open the terminal ${at}`, "ioctl", [
    master,
    k.TIOCGPTPEER,
    k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC,
  ], { store: slave });
}

/**
 * Steps of init: hands a master to the supervisor. No other process may hold it, so that the terminal hangs up when the
 * supervisor ends.
 */
export function handMaster(steps: Section, fdSocket: FdSocket, master: Slot): void {
  sendDescriptor(steps, "send the master to the supervisor", fdSocket, master);
  steps.must("close the master", "close", [master]);
}

/** Steps of the app, which leads its session: opens the first pty of its devpts, which becomes its controlling terminal. */
export function openSlave(steps: Section, at: string): Slot {
  const slave = slot("slave");
  steps.must(`open the terminal ${at}`, "openat", [
    k.AT_FDCWD,
    "/dev/pts/0",
    k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC,
    0,
  ], { store: slave });
  takeControl(steps, at, slave);
  return slave;
}

function takeControl(steps: Section, at: string, slave: Slot): void {
  steps.must(`take the terminal ${at}`, "ioctl", [slave, k.TIOCSCTTY, 0]);
}

/** Steps of the app: its terminal becomes its streams. */
export function takeTerminal(steps: Section, at: string): void {
  becomeStreams(steps, at, openSlave(steps, at));
}

/** Opens a terminal for a process that has entered an app. */
export function takeNewTerminal(steps: Section, at: string, terminal: Terminal): void {
  const master = slot("ptmx");
  const slave = slot("slave");
  openMaster(steps, at, k.AT_FDCWD, "/dev/pts/ptmx", master);
  openThroughMaster(steps, at, master, slave);
  handMaster(steps, terminal.fdSocket, master);
  controlAndStreams(steps, at, slave);
}

/** A terminal becomes the one that this process, which leads its session, gets signals from, and its streams. */
export function controlAndStreams(steps: Section, at: string, slave: Slot): void {
  takeControl(steps, at, slave);
  becomeStreams(steps, at, slave);
}

function becomeStreams(steps: Section, at: string, slave: Slot): void {
  for (const stream of [0, 1, 2]) {
    steps.must(`make the terminal stream ${stream} ${at}`, "dup3", [slave, stream, 0]);
  }
}
