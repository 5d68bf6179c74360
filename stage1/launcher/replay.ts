/**
 * The replay of a start: what the launcher does in place of rkt when a command line is repeated.
 *
 * First come the conditions: each question that the first start asked of the world is asked again, and the answer compared.
 * On any difference the entry is removed, and rkt goes the full way. Then come the only things that are new in each start: the
 * pod's UUID and its directory. What fails there is undone, and the full way says what is the matter.
 *
 * It is a plan, so it can be printed, and is interpreted in tests.
 */
import { STATX } from "../../src/linux/statx.ts";
import * as k from "../../src/linux/constants.ts";
import { assemble, type Layout } from "../engine/assemble.ts";
import type { HolePlace } from "../engine/hole.ts";
import type { Architecture } from "../engine/machine/engine.ts";
import {
  type Address,
  addressOf,
  mutableStruct,
  type Plan,
  Section,
  type Slot,
  slot,
  space,
  struct,
} from "../engine/plan.ts";
import { USER_NAMESPACE } from "../root/private_users.ts";
import { askAgain, STALE } from "./ask_again.ts";
import type { Condition } from "./condition.ts";
import type { NetworkReplay } from "./network_replay.ts";
import { fillHole } from "./fill_holes.ts";
import type { UserReplay } from "./replay_rootless.ts";
import { ENTRY_ADDRESS, HEADER } from "./start_entry.ts";

/** A start to be replayed. */
export interface Replay {
  readonly conditions: readonly Condition[];
  /** Absolute. */
  readonly dataDirectory: string;
  /** Absolute, or as seen from the working directory, which is part of the key. */
  readonly uuidFile?: string;
  /** What of the program is filled in. */
  readonly holes: readonly HolePlace[];
  /** The number under which the program expects the lock against the collection of images. */
  readonly prepareLock: number;
  /** The mode of a pod's directory. */
  readonly podMode: number;
  /** Whether the pod has users of its own. */
  readonly users: boolean;
  /** The user, where that is not root. */
  readonly user?: UserReplay;
  /** Where the pod joins a network, and the descriptor of the namespace that its supervisor expects. */
  readonly network?: NetworkReplay & { readonly namespace: number };
}

/** What only some replays need, from modules that are loaded for them. */
export interface ReplayParts {
  /** Where the pod has users of its own. */
  readonly users?: typeof import("./replay_users.ts") | undefined;
  /** Where the user is not root. */
  readonly user?: typeof import("./replay_rootless.ts") | undefined;
  /** Where the pod joins a network. */
  readonly network?: typeof import("./join_network.ts") | undefined;
}

/** The module of a part that a replay has. */
function need<Module>(module: Module | undefined): Module {
  if (module === undefined) throw new Error("a part of the replay needs its steps");
  return module;
}

const UUID_SIZE = 36;
const ALL_SEALS = k.F_SEAL_SEAL | k.F_SEAL_SHRINK | k.F_SEAL_GROW | k.F_SEAL_WRITE;

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Loads a field that the launcher has left in the entry's header. */
function fromLauncher(s: Section, offset: number, store: Slot): void {
  s.compute("load", [ENTRY_ADDRESS + offset], { store });
}

/** The plan of a replay. */
export function replayPlan(replay: Replay, parts: ReplayParts = {}): Plan {
  const { dataDirectory, uuidFile, holes } = replay;
  const network = replay.network && { ...need(parts.network), replay: replay.network };
  const user = replay.user && { ...need(parts.user), replay: replay.user };
  const s = new Section();
  const lock = slot("prepare lock");
  const directory = slot("pod directory");
  const program = slot("program");
  const entry = slot("entry");
  const source = slot("random");
  const size = slot("size");
  const word = slot("word");
  const embryo = encode(`${dataDirectory}/pods/embryo/`);
  const path = mutableStruct(
    "path of the pod",
    ["directory", embryo.length, embryo],
    ["uuid", 48, new Uint8Array(48)],
  );
  const title = mutableStruct("title", ["title", 8, encode("rkt run ")], [
    "uuid",
    48,
    new Uint8Array(48),
  ]);
  const uuid = addressOf(path, embryo.length);
  const base = slot("program in memory");
  const argv = mutableStruct("argv", ["title", 8, addressOf(title)], ["end", 8, 0]);

  s.set(directory, -1);
  s.set(program, -1);
  if (user !== undefined) {
    s.set(lock, -1);
    s.set(user.ENTERED, 0);
    askAgain(s, user.replay.conditions);
    user.enterUsers(s, user.replay, STALE);
  }
  s.heading("as in every start: nobody collects images until the pod's directory names them");
  s.attempt("open the lock of images", "openat", [
    k.AT_FDCWD,
    `${dataDirectory}/locks/prepareLock`,
    k.O_RDWR | k.O_CLOEXEC | k.O_NOFOLLOW,
    0,
  ], { store: lock, branch: { when: "error", to: STALE } });
  s.attempt("share it", "flock", [lock, k.LOCK_SH], { branch: { when: "error", to: STALE } });
  askAgain(s, replay.conditions, replay.user?.conditions.length);

  s.heading("a new pod");
  s.label("new UUID");
  s.attempt("open the kernel's UUIDs", "openat", [
    k.AT_FDCWD,
    "/proc/sys/kernel/random/uuid",
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: source, branch: { when: "error", to: STALE } });
  s.attempt("read one", "read", [source, uuid, UUID_SIZE], { store: word });
  s.attempt("close them", "close", [source]);
  s.compute("let", [word], { branch: { when: "different", operand: UUID_SIZE, to: STALE } });
  s.attempt("make the pod's directory", "mkdirat", [k.AT_FDCWD, path, replay.podMode], {
    branch: { when: "error", to: STALE },
  });
  s.attempt("open it", "openat", [k.AT_FDCWD, path, k.O_DIRECTORY | k.O_NOFOLLOW, 0], {
    store: directory,
    branch: { when: "error", to: "new UUID" }, // a gc took it, which had no lock yet, for a dead one
  });
  s.attempt("lock it", "flock", [directory, k.LOCK_EX], {
    branch: { when: "error", to: "undo" },
  });
  s.attempt(
    "is it still there?",
    "statx",
    [k.AT_FDCWD, path, 0, 0, space("ignored", STATX.bytes)],
    {
      branch: { when: "equal", operand: 0, to: "locked" },
    },
  );
  s.attempt("close what gc has taken", "close", [directory]);
  s.goto("new UUID");
  s.label("locked");
  if (uuidFile !== undefined) writeUuid(s, uuidFile, uuid);

  s.heading("its program, in a file that nobody can change");
  s.attempt("make a file in memory", "memfd_create", [
    "rkt",
    k.MFD_CLOEXEC | k.MFD_ALLOW_SEALING | k.MFD_EXEC,
  ], { store: program });
  s.compute("let", [program], { branch: { when: "less", operand: 0, to: "older kernel" } });
  s.goto("fill the file");
  s.label("older kernel"); // before 6.3 there is no MFD_EXEC
  s.attempt("make a file in memory", "memfd_create", [
    "rkt",
    k.MFD_CLOEXEC | k.MFD_ALLOW_SEALING,
  ], { store: program, branch: { when: "error", to: "undo" } });
  s.label("fill the file");
  fromLauncher(s, HEADER.programAt, base);
  s.compute("add", [base, ENTRY_ADDRESS], { store: base });
  fillHole(s, { base, holes }, "uuid", uuid);
  if (replay.users) need(parts.users).makeUsers(s, { base, holes }, "undo");
  if (network !== undefined) {
    const { records, namespace } = network.replay;
    const record = recordPath(s, records, addressOf(path, embryo.length));
    const joining = { uuid, record, directory, program: { base, holes }, namespace };
    network.joinNetwork(s, { ...joining, network: network.replay }, "undo");
  }
  fromLauncher(s, HEADER.programSize, size);
  s.attempt("write the program", "write", [program, base, size], { store: word });
  s.compute("sub", [word, size], { store: word });
  const undo = network?.UNDO_NETWORK ?? "undo";
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: undo } });
  s.attempt("seal it", "fcntl", [program, k.F_ADD_SEALS, ALL_SEALS], {
    branch: { when: "error", to: undo },
  });
  s.attempt("hand on the lock of images", "dup3", [lock, replay.prepareLock, 0], {
    branch: { when: "error", to: undo },
  });
  for (let i = 0; i < UUID_SIZE + 4; i += 8) {
    s.compute("load", [addressOf(path, embryo.length + i)], { store: word });
    s.compute("put", [addressOf(title, 8 + i), word]);
  }
  s.attempt("become the pod's supervisor", "execveat", [
    program,
    "",
    argv,
    struct("no environment", ["end", 8, 0]),
    k.AT_EMPTY_PATH,
  ]);
  s.attempt("take the lock of images back", "close", [replay.prepareLock]);
  if (network !== undefined) s.goto(undo);

  s.label("undo");
  s.attempt("remove the pod's directory", "unlinkat", [k.AT_FDCWD, path, k.AT_REMOVEDIR]);
  s.attempt("close it", "close", [directory]);
  s.attempt("close the program", "close", [program]);
  if (replay.users) {
    s.attempt("let go of the users", "close", [USER_NAMESPACE]);
  }
  s.label(STALE);
  fromLauncher(s, HEADER.directory, entry);
  fromLauncher(s, HEADER.name, word);
  s.attempt("remove the entry", "unlinkat", [entry, word, 0]);
  s.attempt("let images be collected again", "close", [lock]);
  if (user !== undefined) {
    s.when(user.ENTERED, 0, "the launcher goes on");
    user.executeAgain(s, user.replay);
    s.label("the launcher goes on");
  }
  fromLauncher(s, HEADER.fullWay, word);
  s.leavePlan("go back to the launcher, which goes the full way", word);
  return { setup: s.items, resident: [] };
}

/** The path of the pod's record of its networks. */
function recordPath(s: Section, records: string, uuid: Address): Address {
  const word = slot("part of the UUID");
  const directory = encode(`${records}/`);
  const path = mutableStruct(
    "path of the record",
    ["directory", directory.length, directory],
    ["uuid", 48, new Uint8Array(48)],
  );
  for (let i = 0; i < UUID_SIZE + 4; i += 8) {
    s.compute("load", [{ ...uuid, offset: uuid.offset + i }], { store: word });
    s.compute("put", [addressOf(path, directory.length + i), word]);
  }
  return addressOf(path);
}

function writeUuid(s: Section, path: string, uuid: ReturnType<typeof addressOf>): void {
  const file = slot("uuid file");
  const written = slot("written");
  s.attempt("open the file for the UUID", "openat", [
    k.AT_FDCWD,
    path,
    k.O_WRONLY | k.O_CREAT | k.O_TRUNC | k.O_CLOEXEC,
    0o666,
  ], { store: file, branch: { when: "error", to: "undo" } });
  s.attempt("write it", "write", [file, uuid, UUID_SIZE], { store: written });
  s.attempt("close it", "close", [file]);
  s.compute("let", [written], { branch: { when: "different", operand: UUID_SIZE, to: "undo" } });
}

/** The bytes of a replay at an address. */
export function replayBytes(
  replay: Replay,
  parts: ReplayParts,
  address: number,
  architecture: Architecture,
): Uint8Array<ArrayBuffer> {
  const layout: Layout = assemble(replayPlan(replay, parts), architecture);
  const { setup, data, resident } = layout.size;
  // What structures in memory refer to is of the section that stays.
  const images = layout.emit({
    setup: address,
    data: address + setup,
    resident: address + setup + data,
  });
  const bytes = new Uint8Array(setup + data + resident);
  bytes.set(images.setup);
  bytes.set(images.data, setup);
  bytes.set(images.resident, setup + data);
  return bytes;
}
