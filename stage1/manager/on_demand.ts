/**
 * Apps that start when there is something for them: a connection at a socket that a service manager has passed, a datagram,
 * a line in a FIFO.
 *
 * Init waits for signals, so where there are such apps it waits for descriptors, one of which stands for its signals
 * (signalfd(2)). Nothing is read from the others, and none of their flags is changed: they are the service manager's, too.
 */
import * as k from "../../src/linux/constants.ts";
import { SIGSET_SIZE, WAITED_FOR } from "../steps/signals.ts";
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  slot,
  struct,
} from "../engine/plan.ts";
import { FIRST_PASSED, type PodApp, startsOnDemand } from "../pod.ts";
import { type AppTable, PHASE } from "../processes/app_table.ts";
import type { InitSlots, OnDemand } from "./manager_steps.ts";

/** Bytes of `struct pollfd`. */
const POLL_SIZE = 8;

/** A `struct pollfd` of no descriptor: it is passed over (poll(2)). */
const NOTHING = 0xffffffff;

/** What there is to wait for; undefined where all apps start by themselves. */
export function onDemand(all: readonly PodApp[]): OnDemand | undefined {
  const dormant = all.filter(startsOnDemand);
  if (dormant.length === 0) return undefined;
  let count = 1;
  const apps = dormant.map((app) => ({
    app,
    places: (app.passed?.numbers ?? []).map(() => count++),
  }));
  const poll = (fd: number): readonly Field[] => [
    ["fd", 4, fd],
    ["events", 2, k.POLLIN],
    ["revents", 2, 0],
  ];
  const numbers = dormant.flatMap(({ passed }) => passed?.numbers ?? []);
  const fields = numbers.flatMap((number) => poll(FIRST_PASSED + number));
  return { apps, count, polls: mutableStruct("pollfds", ...poll(-1), ...fields) };
}

/** Steps of init before it waits for the first time. */
export function watchSignals(steps: Section, { polls }: OnDemand): void {
  const signals = slot("descriptor of signals");
  const what = "have a descriptor for signals";
  steps.must(what, "signalfd4", [-1, WAITED_FOR, SIGSET_SIZE, k.O_CLOEXEC], { store: signals });
  steps.compute("add", [signals, k.POLLIN * 2 ** 32], { store: signals });
  steps.compute("put", [addressOf(polls), signals]);
}

/** Steps of init while there is nothing to do, behind the label `init waits`. */
export function waitForDescriptors(waiting: Section, { polls, count }: OnDemand): void {
  waiting.attempt("wait for a signal, or for something to read", "ppoll", [
    polls,
    count,
    0,
    0,
    SIGSET_SIZE,
  ], { branch: { when: "error", to: "init waits" } });
  waiting.goto("init has an event");
}

/** Steps of init that see what has happened: a signal goes first, then apps wake up. */
export function wake(
  steps: Section,
  table: AppTable,
  slots: InitSlots,
  { polls, apps }: OnDemand,
): void {
  const events = slot("events");
  steps.heading("init: a signal, or something for an app that waits for it");
  steps.label("init has an event");
  const now = struct("timespec", ["seconds", 8, 0], ["nanoseconds", 8, 0]);
  steps.attempt("take the signal", "rt_sigtimedwait", [WAITED_FOR, 0, now, SIGSET_SIZE], {
    store: slots.signal,
    branch: { when: "error", to: "init has something for an app" },
  });
  steps.goto("init has a signal");
  steps.label("init has something for an app");
  for (const { app, places } of apps) {
    const wakes = `wake ${app.name}`;
    const next = `${wakes}: done`;
    for (const place of places) {
      steps.compute("load", [addressOf(polls, place * POLL_SIZE)], { store: events });
      steps.compute("shr", [events, 48], {
        store: events,
        branch: { when: "different", operand: 0, to: wakes },
      });
    }
    steps.goto(next);
    steps.label(wakes);
    // From here on what comes is the app's to take.
    for (const place of places) {
      steps.compute("put", [addressOf(polls, place * POLL_SIZE), NOTHING]);
    }
    steps.set(slots.app, table.offsetOf(app));
    table.get(steps, slots.app, "phase", slots.phase);
    // The pod may be ending, and the app with it.
    steps.compute("let", [slots.phase], {
      branch: { when: "different", operand: PHASE.dormant, to: next },
    });
    table.put(steps, slots.app, "phase", PHASE.waiting);
    steps.label(next);
  }
  steps.goto("reconcile");
}
