/** The process that holds the network which pods of a user share (shared_network.ts), and its user namespace. */
import * as k from "../linux/constants.ts";
import { EXIT_FAILURE } from "../../stage1/engine/abort.ts";
import { type Plan, Section, slot, space, struct } from "../../stage1/engine/plan.ts";
import { FLOCK, holderFile, membersDirectory } from "./shared_network.ts";

/** The descriptor under which it finds the network's namespace. */
export const HELD_NAMESPACE = 202;

/** More than the event of one file (inotify(7)): 16 bytes and its name. */
const EVENTS = 4096;

/**
 * The plan of the holder: it goes to the background, says by the end of its standard streams that it is ready, and waits until
 * the last file of a pod is gone.
 *
 * @param pasta the files that its pasta ends with
 */
export function holderPlan(dataDir: string, pasta: readonly string[]): Plan {
  const s = new Section();
  const [child, file, watch, nothing, removed] = [
    slot("holder"),
    slot("lock"),
    slot("watch"),
    slot("/dev/null"),
    slot("result of the removal"),
  ];
  const members = membersDirectory(dataDir);
  s.must("enter the network", "setns", [HELD_NAMESPACE, k.CLONE_NEWNET]);
  s.must("let go of its descriptor", "close", [HELD_NAMESPACE]);
  s.attempt("go to the background", "clone", [k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "equal", operand: 0, to: "holder" },
  });
  s.compute("let", [child], { branch: { when: "less", operand: 0, to: "no holder" } });
  s.attempt("leave it there", "exit_group", [0]);
  s.label("no holder");
  s.attempt("there is none", "exit_group", [EXIT_FAILURE]);
  s.label("holder");
  s.must("be of nobody's session", "setsid", []);
  s.must("have a name", "prctl", [k.PR_SET_NAME, "rkt-network"]);
  s.must("keep no directory", "chdir", ["/"]);
  s.must("open the lock", "openat", [k.AT_FDCWD, holderFile(dataDir), k.O_RDWR | k.O_CLOEXEC, 0], {
    store: file,
  });
  s.keep(file, "who has locked it holds the network");
  const whole = struct(
    "struct flock",
    ["type, whence", 8, FLOCK.write],
    ["start", 8, 0],
    ["length", 8, 0],
    ["pid", 8, 0],
  );
  s.must("lock it", "fcntl", [file, k.F_SETLK, whole]);
  s.must("watch files", "inotify_init1", [k.O_CLOEXEC], { store: watch });
  s.must("watch those of pods", "inotify_add_watch", [watch, members, k.IN_DELETE]);
  s.must("read nothing", "openat", [k.AT_FDCWD, "/dev/null", k.O_RDWR | k.O_CLOEXEC, 0], {
    store: nothing,
  });
  for (const fd of [0, 1, 2]) s.must("have no streams", "dup3", [nothing, fd, 0]);
  s.attempt("close it", "close", [nothing]);
  s.label("wait");
  s.attempt("wait until one goes", "read", [watch, space("events", EVENTS), EVENTS]);
  s.attempt("was it the last one?", "unlinkat", [k.AT_FDCWD, members, k.AT_REMOVEDIR], {
    store: removed,
  });
  s.compute("let", [removed], { branch: { when: "different", operand: 0, to: "wait" } });
  for (const each of pasta) s.attempt("let pasta end", "unlinkat", [k.AT_FDCWD, each, 0]);
  s.attempt("end", "exit_group", [0]);
  return { setup: s.items, resident: [] };
}
