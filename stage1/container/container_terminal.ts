/** The terminal of an OCI container's process: of its own devpts; the master goes to the engine over its console socket. */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, struct } from "../engine/plan.ts";
import { controlAndStreams, openThroughMaster, unlockTerminal } from "../output/terminal.ts";
import { sendDescriptorOver } from "../steps/fd_passing.ts";
import { attach, inRoot, OPEN_HOW_SIZE } from "../steps/mounts.ts";
import { openPlainPlace } from "./container_mounts.ts";
import type { ContainerProcess } from "./container.ts";

const SLAVE = slot("slave");
const PTMX = "/dev/pts/ptmx";
/** For errors. */
const AT = "of the container";

/** `struct open_how`: no link of the image is followed. */
const PLAIN = inRoot(k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC, k.RESOLVE_NO_SYMLINKS);

/**
 * Opens a terminal in the root, which is this process's, and sends its master.
 *
 * @param console the socket
 * @param mounts whether it is mounted on /dev/console
 */
export function openContainerTerminal(
  s: Section,
  { rows, columns }: NonNullable<ContainerProcess["terminal"]>,
  console: Slot | number,
  mounts: boolean,
): void {
  const root = slot("root");
  const master = slot("master");
  s.must("open the root", "openat", [k.AT_FDCWD, "/", k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC, 0], {
    store: root,
  });
  s.must("open a terminal", "openat2", [root, PTMX, PLAIN, OPEN_HOW_SIZE], {
    store: master,
    hint: "the container needs a devpts at /dev/pts",
  });
  unlockTerminal(s, AT, master);
  openThroughMaster(s, AT, master, SLAVE);
  if (rows > 0 || columns > 0) {
    const size = struct("winsize", ["row", 2, rows], ["col", 2, columns], ["", 4, 0]);
    s.attempt("set the size of the terminal", "ioctl", [SLAVE, k.TIOCSWINSZ, size]);
  }
  if (mounts) mountConsole(s, root);
  // With its name, as runc sends it.
  sendDescriptorOver(s, "send the terminal over the console socket", console, master, PTMX);
  s.must("close the master", "close", [master]);
  s.attempt("close the root", "close", [root]);
}

function mountConsole(s: Section, root: Slot): void {
  const clone = slot("clone");
  const at = "of the terminal at /dev/console";
  const place = openPlainPlace(s, at, root, "/dev/console");
  s.must(`make a mount ${at}`, "open_tree", [
    SLAVE,
    "",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | k.AT_EMPTY_PATH,
  ], { store: clone });
  attach(s, `attach the mount ${at}`, clone, place);
  s.attempt("close the place", "close", [place]);
  s.attempt("close the mount", "close", [clone]);
}

/** The terminal becomes the process's streams, and that which it gets its signals from. */
export function takeContainerTerminal(s: Section): void {
  controlAndStreams(s, AT, SLAVE);
  s.attempt("close the terminal", "close", [SLAVE]);
}
