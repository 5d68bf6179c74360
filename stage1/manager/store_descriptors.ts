/**
 * Descriptors that come with what an app says, and those that it has the service manager keep until its unit starts again
 * (sd_pid_notify_with_fds(3), `FDSTORE=1`).
 *
 * Each is kept by a name that begins with the app's, so that an app can replace and remove its own only, and they come back to it:
 * see src/start/manager/assign.ts. An app's name has no dot.
 */
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  space,
  zeroSlot,
} from "../engine/plan.ts";
import { messageHeader, MSGHDR, splitPair } from "../steps/fd_passing.ts";

/**
 * What stands before the name of a descriptor that an app has stored. systemd names those of sockets after their units, in whose
 * names there is no slash: `etcd.socket` is none that the app `etcd` has stored.
 */
export const storedPrefix = (app: string): string => `stored/${app}/`;

/** The lines that are about descriptors, but for their names. */
const STORE = "FDSTORE=1\n";
const REMOVE = "FDSTOREREMOVE=1\n";
const UNWATCHED = "FDPOLL=0\n";
const NAME = "FDNAME=";

/** Descriptors of a message at most (`SCM_MAX_FD`, include/net/scm.h). What does not fit would be closed while it is read. */
const MOST_DESCRIPTORS = 253;
/** Bytes of `struct cmsghdr` before its data, and of all of it (include/linux/socket.h). */
const CMSG_HEADER = 16;
const CONTROL_BYTES = CMSG_HEADER + 4 * MOST_DESCRIPTORS;
/** Characters of a name that systemd takes (fdname_is_valid()). */
const MOST_NAME = 255;

const [LINE_FEED, SPACE, COLON, TILDE] = [0x0a, 0x20, 0x3a, 0x7e];

/** What came with a message, and what its lines say of it. */
export interface Received {
  /** `struct msghdr` of recvmsg(2), and the room of its control message. */
  readonly header: ReturnType<typeof mutableStruct>;
  readonly control: ReturnType<typeof space>;
  /** How many descriptors. */
  readonly count: Slot;
  /** 1 where they are to be kept. */
  readonly keep: Slot;
  /** 1 where the message needs a name, and 1 where it has one. */
  readonly needsName: Slot;
  readonly named: Slot;
}

/** Room for a message and its descriptors. */
export function receiver(text: ReturnType<typeof space>, bytes: number): Received {
  const control = space("notify control", CONTROL_BYTES + 8);
  const iovec = mutableStruct("iovec", ["base", 8, addressOf(text)], ["len", 8, bytes]);
  const header = messageHeader({
    ...{ parts: addressOf(iovec), partCount: 1 },
    ...{ control: addressOf(control), controlBytes: CONTROL_BYTES },
  });
  return {
    ...{ header, control, count: zeroSlot("received descriptors") },
    ...{
      keep: zeroSlot("keep them"),
      needsName: zeroSlot("needs a name"),
      named: zeroSlot("named"),
    },
  };
}

/** Reads a message, and goes on at `none` where there is none. */
export function receive(
  steps: Section,
  app: string,
  { header, control, count, keep, needsName, named }: Received,
  { socket, size, none }: { readonly socket: Slot; readonly size: Slot; readonly none: string },
): void {
  const label = `notify of ${app}: received`;
  const length = slot("length of the control message");
  for (const each of [count, keep, needsName, named]) steps.set(each, 0);
  steps.compute("put", [addressOf(header, MSGHDR.controllen), CONTROL_BYTES]);
  steps.attempt(`read what app "${app}" says`, "recvmsg", [
    socket,
    header,
    k.MSG_DONTWAIT | k.MSG_CMSG_CLOEXEC,
  ], { store: size, branch: { when: "less", operand: 0, to: none } });
  steps.compute("load", [addressOf(header, MSGHDR.controllen)], {
    store: length,
    branch: { when: "less", operand: CMSG_HEADER + 4, to: label },
  });
  steps.compute("load", [addressOf(control)], { store: length });
  steps.compute("sub", [length, CMSG_HEADER], { store: length });
  steps.compute("shr", [length, 2], { store: count });
  steps.label(label);
}

/** A line of a message: where it begins, where the next one does, and the next free `struct iovec`. */
export interface Line {
  readonly at: Slot;
  readonly next: Slot;
  readonly vector: Slot;
}

/**
 * Looks whether a line is about descriptors. One that is passed on as it is goes on at `pass`, a name at `passed`, and any other
 * line behind these steps.
 */
export function passDescriptorLine(
  steps: Section,
  app: string,
  { keep, needsName, named }: Received,
  { at, next, vector }: Line,
  { pass, passed }: { readonly pass: string; readonly passed: string },
): void {
  const label = (what: string) => `notify of ${app}: ${what}`;
  const word = slot("word");
  const isLine = (line: string, otherwise: string) => {
    steps.compute("same", [at, line, line.length], { store: word });
    steps.when(word, 0, label(otherwise));
  };
  isLine(STORE, "does not store");
  steps.set(keep, 1);
  steps.set(needsName, 1);
  steps.goto(pass);
  steps.label(label("does not store"));
  isLine(REMOVE, "does not remove");
  steps.set(needsName, 1);
  steps.goto(pass);
  steps.label(label("does not remove"));
  steps.compute("same", [at, UNWATCHED, UNWATCHED.length], { store: word });
  steps.when(word, 1, pass);
  isLine(NAME, "no name");
  const prefix = namePrefix(app);
  // With its line feed.
  const most = NAME.length + MOST_NAME - (prefix.length - NAME.length) + 1;
  steps.compute("sub", [next, at], {
    store: word,
    branch: { when: "less", operand: NAME.length + 2, to: label("no name") },
  });
  steps.compute("sub", [most, word], {
    branch: { when: "less", operand: 0, to: label("no name") },
  });
  const character = slot("character");
  steps.compute("add", [at, NAME.length], { store: character });
  steps.label(label("character"));
  steps.compute("load", [character], { store: word });
  steps.compute("and", [word, 0xff], {
    store: word,
    branch: { when: "equal", operand: LINE_FEED, to: label("good name") },
  });
  steps.when(word, COLON, label("no name"));
  steps.compute("sub", [word, SPACE], {
    branch: { when: "less", operand: 0, to: label("no name") },
  });
  steps.compute("sub", [TILDE, word], {
    branch: { when: "less", operand: 0, to: label("no name") },
  });
  steps.compute("add", [character, 1], { store: character });
  steps.goto(label("character"));
  steps.label(label("good name"));
  addPart(steps, vector, prefix, prefix.length);
  steps.compute("add", [at, NAME.length], { store: character });
  steps.compute("sub", [next, character], { store: word });
  addPart(steps, vector, character, word);
  steps.set(named, 1);
  steps.goto(passed);
  steps.label(label("no name"));
}

const namePrefix = (app: string): string => NAME + storedPrefix(app);

function addPart(
  steps: Section,
  vector: Slot,
  base: Slot | string,
  size: Slot | number,
): void {
  steps.compute("put", [vector, base]);
  steps.compute("add", [vector, 8], { store: vector });
  steps.compute("put", [vector, size]);
  steps.compute("add", [vector, 8], { store: vector });
}

/** Completes the message that is passed on: a name where it has none, and the descriptors. `count` is that of its parts. */
export function completeMessage(
  steps: Section,
  app: string,
  received: Received,
  { passed, vector, count }: {
    readonly passed: ReturnType<typeof mutableStruct>;
    readonly vector: Slot;
    readonly count: Slot;
  },
): void {
  const label = (what: string) => `notify of ${app}: ${what}`;
  const length = slot("length of the control message");
  steps.when(received.needsName, 0, label("needs no name"));
  steps.when(received.named, 1, label("needs no name"));
  // As systemd calls those that have no name (FDNAME= in sd_notify(3)).
  const name = `${namePrefix(app)}stored\n`;
  addPart(steps, vector, name, name.length);
  steps.compute("add", [count, 1], { store: count });
  steps.label(label("needs no name"));
  for (const field of [MSGHDR.control, MSGHDR.controllen]) {
    steps.compute("put", [addressOf(passed, field), 0]);
  }
  steps.when(received.keep, 0, label("keeps nothing"));
  steps.when(received.count, 0, label("keeps nothing"));
  steps.compute("load", [addressOf(received.header, MSGHDR.controllen)], { store: length });
  steps.compute("put", [addressOf(passed, MSGHDR.control), addressOf(received.control)]);
  steps.compute("put", [addressOf(passed, MSGHDR.controllen), length]);
  steps.label(label("keeps nothing"));
}

/**
 * Closes what came with a message, kept or not.
 *
 * Whoever is the last to close a socket may have to wait as long as the app wants (SO_LINGER of socket(7)), and would hear nothing
 * meanwhile. A process that ends waits for nobody (inet_release() in net/ipv4/af_inet.c asks for PF_EXITING). So a child has the
 * descriptors too, and ends when they are closed here.
 */
export function closeReceived(steps: Section, app: string, { control, count }: Received): void {
  const label = (what: string) => `notify of ${app}: ${what}`;
  const place = slot("place of a descriptor");
  const descriptor = slot("received descriptor");
  const [pair, reader, writer] = [space("pipe", 8), slot("held until"), slot("closed here")];
  const holder = slot("who holds what came");
  steps.when(count, 0, label("all are closed"));
  steps.set(holder, 0);
  steps.set(reader, -1);
  steps.set(writer, -1);
  steps.attempt("make a pipe to the child", "pipe2", [pair, k.O_CLOEXEC], {
    branch: { when: "less", operand: 0, to: label("close what came") },
  });
  splitPair(steps, pair, reader, writer);
  // It ends without a signal: those of others are waited for.
  steps.attempt("make a child that has them too", "clone", [0, 0, 0, 0, 0], {
    store: holder,
    branch: { when: "equal", operand: 0, to: label("hold") },
  });
  steps.label(label("close what came"));
  steps.compute("sub", [count, 1], { store: count });
  steps.compute("add", [count, count], { store: place });
  steps.compute("add", [place, place], { store: place });
  steps.compute("add", [place, addressOf(control, CMSG_HEADER)], { store: place });
  steps.compute("load", [place], { store: descriptor });
  steps.compute("and", [descriptor, 0xffffffff], { store: descriptor });
  steps.attempt("close a descriptor of the app's", "close", [descriptor]);
  steps.compute("let", [count], {
    branch: { when: "different", operand: 0, to: label("close what came") },
  });
  for (const each of [reader, writer]) steps.attempt("close the pipe", "close", [each]);
  steps.compute("let", [holder], {
    branch: { when: "less", operand: 1, to: label("all are closed") },
  });
  steps.attempt("wait for the child", "wait4", [holder, 0, k.__WALL, 0]);
  steps.goto(label("all are closed"));
  steps.label(label("hold"));
  steps.attempt("leave it to the parent", "close", [writer]);
  steps.attempt("wait until they are closed there", "read", [reader, pair, 1]);
  steps.attempt("end", "exit_group", [0]);
  steps.label(label("all are closed"));
}
