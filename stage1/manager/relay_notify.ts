/**
 * What an app that knows sd_notify(3) says, passed on to the service manager: only lines that are about how the app is.
 *
 * The app has a socket of its own, which no other app sees. Descriptors that come along are closed and reach nobody, but for apps
 * that may store them: store_descriptors.ts. Lines that would let an app decide about more
 * than itself (`MAINPID`, `NOTIFYACCESS`, …) are left out.
 */
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  type Section,
  type Slot,
  slot,
  space,
  struct,
  zeroSlot,
} from "../engine/plan.ts";
import { NOTIFY_PLACE, type PodApp } from "../pod.ts";
import type { AppNotify } from "./manager_steps.ts";
import {
  closeReceived,
  completeMessage,
  passDescriptorLine,
  receive,
  receiver,
} from "./store_descriptors.ts";
import { messageHeader, MSGHDR } from "../steps/fd_passing.ts";

/** What the lines begin with that are passed on; READY is seen to apart from them. */
const PASSED = [
  "STATUS=",
  "STOPPING=1",
  "RELOADING=1",
  // When it began to reload: systemd's `Type=notify-reload` wants it.
  "MONOTONIC_USEC=",
  "WATCHDOG=1",
  "WATCHDOG=trigger",
  "EXTEND_TIMEOUT_USEC=",
  "ERRNO=",
] as const;

const READY = "READY=1\n";
const LINE_FEED = 10;

/** Bytes of a message; what is longer is cut off, as by systemd (`NOTIFY_BUFFER_MAX`). */
const MOST_BYTES = 4096;
/** Messages in a row, before the supervisor looks for other signals: an app that says much does not keep it from ending. */
const MOST_MESSAGES = 64;
/** Lines of a message that are passed on, and bytes of `struct iovec`. */
const MOST_LINES = 16;
const IOVEC = 16;

/** Where the n-th app's socket is, in the pod's directory. */
const socketFile = (number: number) => `notify-${number}`;

/** The supervisor opens a socket for each app that speaks for itself, before it makes init. */
export function openAppSockets(setup: Section, apps: readonly PodApp[], self: Slot): AppNotify[] {
  return apps.filter(({ notifies }) => notifies).map((app, number) => {
    const what = `hear of app "${app.name}"`;
    const socket = slot(`notify socket of ${app.name}`);
    const path = new TextEncoder().encode(`${socketFile(number)}\0`);
    const address = struct("sockaddr_un", ["family", 2, k.AF_UNIX], ["path", path.length, path]);
    setup.must(what, "socket", [
      k.AF_UNIX,
      k.SOCK_DGRAM | k.SOCK_CLOEXEC | k.O_NONBLOCK,
      0,
    ], { store: socket });
    // Of a run-prepared that was killed before its pod ran.
    setup.attempt("remove an old one", "unlinkat", [k.AT_FDCWD, socketFile(number), 0]);
    setup.must(what, "bind", [socket, address, 2 + path.length]);
    // The app's user may be any; it is in no other app's sight.
    setup.must(what, "fchmodat", [k.AT_FDCWD, socketFile(number), 0o666]);
    setup.must(what, "fcntl", [socket, k.F_SETOWN, self]);
    setup.must(what, "fcntl", [socket, k.F_SETFL, k.O_NONBLOCK | k.O_ASYNC]);
    return { app, number, socket, ready: zeroSlot(`app ${app.name} is ready`) };
  });
}

/** The app as it is with its socket: mounted in its root, and named in its environment. */
export function withSocket(
  app: PodApp,
  number: number,
  watchdog?: string,
  storesDescriptors?: boolean,
): PodApp {
  const place = NOTIFY_PLACE;
  return {
    ...app,
    notifies: true,
    storesDescriptors,
    environment: [
      ...app.environment.filter((each) =>
        !/^(NOTIFY_SOCKET|WATCHDOG_USEC|WATCHDOG_PID)=/.test(each)
      ),
      `NOTIFY_SOCKET=${place}`,
      ...watchdog === undefined ? [] : [`WATCHDOG_USEC=${watchdog}`],
    ],
    mounts: [...app.mounts, {
      volume: "notify",
      source: socketFile(number),
      target: place,
      place,
      inside: false,
      readOnly: false,
      recursive: false,
      directory: false,
    }],
  };
}

/** Whom the supervisor tells what an app has said, and who it is. */
interface Passing {
  /** The service manager's `struct sockaddr_un`. */
  readonly address: ReturnType<typeof struct>;
  readonly addressSize: number;
  /** 1 when the service manager knows that the pod is ready. */
  readonly told: Slot;
  /** The supervisor's PID. */
  readonly self: Slot;
}

/** Steps of the supervisor that read what an app has said, and go on behind them. */
export function relayApp(
  steps: Section,
  { app, socket, ready }: AppNotify,
  { address, addressSize, told, self }: Passing,
): void {
  const label = (what: string) => `notify of ${app.name}: ${what}`;
  const text = space("notify message", MOST_BYTES + 16);
  // The last line may be a name, which has two parts, and one may be added.
  const lines = space("notify lines", (MOST_LINES + 2) * IOVEC);
  const received = receiver(text, MOST_BYTES);
  const stores = app.storesDescriptors === true;
  const header = messageHeader({
    ...{ address: addressOf(address), addressBytes: addressSize },
    ...{ parts: addressOf(lines), partCount: 0 },
  });
  const [size, end, at, next] = [slot("size"), slot("end"), slot("line"), slot("next line")];
  const [word, count, vector] = [slot("word"), slot("lines"), slot("iovec")];
  const manager = slot("notify socket");
  const messages = slot("messages");

  steps.set(messages, 0);
  steps.label(label("message"));
  steps.compute("add", [messages, 1], {
    store: messages,
    branch: { when: "less", operand: MOST_MESSAGES, to: label("next message") },
  });
  // A signal of a lower number, like TERM, comes before it.
  steps.attempt("come back for the rest", "kill", [self, k.SIGIO]);
  steps.goto(label("read"));
  steps.label(label("next message"));
  receive(steps, app.name, received, { socket, size, none: label("read") });
  steps.compute("add", [size, text], { store: end });
  steps.compute("put", [end, LINE_FEED]);
  steps.set(at, text);
  steps.set(vector, lines);
  steps.set(count, 0);

  steps.label(label("line"));
  steps.compute("sub", [end, at], {
    store: word,
    branch: { when: "less", operand: 1, to: label("send") },
  });
  steps.set(next, at);
  steps.label(label("byte"));
  steps.compute("load", [next], { store: word });
  steps.compute("add", [next, 1], { store: next });
  steps.compute("and", [word, 0xff], {
    store: word,
    branch: { when: "different", operand: LINE_FEED, to: label("byte") },
  });
  steps.compute("same", [at, READY, READY.length], { store: word });
  steps.when(word, 0, label("not ready"));
  steps.set(ready, 1);
  // The first time it is told when all others are ready, too; later on, that a reload is done.
  steps.when(told, 1, label("pass"));
  steps.goto(label("next"));
  steps.label(label("not ready"));
  for (const field of PASSED) {
    steps.compute("same", [at, field, field.length], { store: word });
    steps.when(word, 1, label("pass"));
  }
  if (stores) {
    const ways = { pass: label("pass"), passed: label("name is passed") };
    passDescriptorLine(steps, app.name, received, { at, next, vector }, ways);
  }
  steps.goto(label("next"));
  if (stores) {
    steps.label(label("name is passed"));
    steps.compute("add", [count, 1], { store: count });
    steps.goto(label("counted"));
  }
  steps.label(label("pass"));
  steps.compute("put", [vector, at]);
  steps.compute("add", [vector, 8], { store: vector });
  steps.compute("sub", [next, at], { store: word });
  steps.compute("put", [vector, word]);
  steps.compute("add", [vector, 8], { store: vector });
  if (stores) steps.label(label("counted"));
  steps.compute("add", [count, 1], { store: count });
  steps.compute("sub", [count, MOST_LINES], {
    store: word,
    branch: { when: "less", operand: 0, to: label("next") },
  });
  steps.goto(label("send"));
  steps.label(label("next"));
  steps.set(at, next);
  steps.goto(label("line"));

  steps.label(label("send"));
  steps.when(count, 0, label("sent"));
  if (stores) {
    completeMessage(steps, app.name, received, { passed: header, vector, count });
  }
  steps.compute("put", [addressOf(header, MSGHDR.iovlen), count]);
  steps.attempt("open a socket to the service manager", "socket", [
    k.AF_UNIX,
    k.SOCK_DGRAM | k.SOCK_CLOEXEC,
    0,
  ], { store: manager });
  steps.attempt("pass on what the app says", "sendmsg", [manager, header, k.MSG_NOSIGNAL]);
  steps.attempt("close the socket", "close", [manager]);
  steps.label(label("sent"));
  closeReceived(steps, app.name, received);
  steps.goto(label("message"));
  steps.label(label("read"));
}
