/**
 * The table of the apps, in init's memory: a record of eight-byte words for each. So the code of init's loop is the
 * same for one app and for fifty.
 */
import { SIGTERM } from "../../src/linux/constants.ts";
import { label } from "../app/labels.ts";
import type { Cgroups } from "../cgroup/cgroup.ts";
import { delays, LONGEST_DELAY } from "../app/restart_policy.ts";
import {
  addressOf,
  type Field,
  instructionAt,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  type Struct,
  struct,
  type Value,
} from "../engine/plan.ts";
import { type AppLifecycle, type PodApp, type RestartPolicy, startsOnDemand } from "../pod.ts";

/** How far an app has come. The phases below `preparing` wait for init, those from there on for a process. */
export const PHASE = {
  /** Until a descriptor that it has of a service manager has something for it. */
  dormant: -1,
  /** Until the apps that it starts after have started. */
  waiting: 0,
  /** Until its timer says that it may start again. */
  resting: 1,
  /** Its pre-start is done; main is to start. */
  prepared: 2,
  /** Its main has ended; post-stop is to start. */
  stopped: 3,
  preparing: 4,
  running: 5,
  cleaning: 6,
  ended: 7,
} as const;

/** When to start again, as numbers. */
export const RESTART = { "no": 0, "on-failure": 1, "always": 2 } as const;

/** The words of a record that change: all that init keeps of an app in its memory while it waits. */
const STATE = [
  "phase",
  /** The PID of the app's process that runs; 0 where none does. */
  "pid",
  /** The exit status of main. */
  "code",
  /** 1 when those that start after the app need not wait for it any more. */
  "settled",
  /** How often it may still be started again. */
  "left",
  "restarts",
  /** Its POSIX timer, where it may be started again. */
  "timer",
  /** The delay before the next start: its offset in the table of delays. */
  "delay",
] as const;

/** The others, in two tables: all of them have records of the same size, so that an app is one offset in all. */
const LIFECYCLE = [
  "restart",
  /** The address of its delays, and the offset of the last one. */
  "delays",
  "last delay",
  "keep",
  /** The offsets of the apps that it starts after, with {@linkcode NO_APP} behind them. */
  "after",
  /** Where its processes begin; 0 where it has none of the kind. */
  "pre-start",
  "main",
  "post-stop",
] as const;
const NAMES = [
  /** The address of the descriptor of the cgroup that its processes are forked into, where they are. */
  "cgroup",
  /** The name of the app and of its file in the status directory. */
  "name",
  "name length",
  "pid file",
  "start file",
  "restarts file",
  /** What asks the app to end. */
  "stop signal",
  "",
] as const;

type StateWord = typeof STATE[number];
type GivenWord = typeof LIFECYCLE[number] | Exclude<typeof NAMES[number], "">;
type Word = StateWord | GivenWord;

/** Bytes of a record. */
const RECORD = STATE.length * 8;

/** What stands behind the last of a list of apps. */
export const NO_APP = -1;

/** Bytes of `struct itimerspec` (include/uapi/linux/time.h). */
export const TIMER_SIZE = 32;

/** A one-shot timer of some milliseconds; of none it would never fire. */
const timerFields = (milliseconds: number): readonly Field[] => [
  ["interval", 8, 0],
  ["", 8, 0],
  ["seconds", 8, Math.floor(milliseconds / 1000)],
  ["nanoseconds", 8, milliseconds === 0 ? 1 : (milliseconds % 1000) * 1e6],
];

/** How long an app must run for its next delay to be the first one again. */
export const GOOD_RUN = struct("itimerspec", ...timerFields(LONGEST_DELAY));

/** The table, and the steps that read and write it. A slot that says which app holds the offset of its record. */
export class AppTable {
  readonly #state: Struct;
  readonly #lifecycle: Struct;
  readonly #names: Struct;
  readonly #at = slot("at");
  readonly #rest = slot("rest");
  /** The delays of each policy, once for all apps that have it. */
  readonly #delays = new Map<number, Struct>();

  /** @param apps in the order in which they start */
  constructor(readonly apps: readonly PodApp[], cgroups: Cgroups | undefined) {
    const place = new Map(apps.map(({ name }, i) => [name, i * RECORD]));
    const table = (
      words: readonly string[],
      of: (app: PodApp) => Readonly<Record<string, Value>>,
    ) =>
      apps.flatMap((app) => {
        const values = of(app);
        return words.map((word): Field => [word, 8, values[word] ?? 0]);
      });
    this.#state = mutableStruct("apps", ...table(STATE, stateOf));
    this.#lifecycle = struct(
      "lifecycles",
      ...table(LIFECYCLE, (app) => this.#lifecycleOf(app, place)),
    );
    this.#names = struct("names", ...table(NAMES, (app) => namesOf(app, cgroups)));
  }

  #lifecycleOf(
    app: PodApp,
    place: ReadonlyMap<string, number>,
  ): Readonly<Record<typeof LIFECYCLE[number], Value>> {
    const { restart, keep, after }: AppLifecycle = app.lifecycle;
    const entry = (there: unknown, name: string): Value =>
      there === undefined ? 0 : instructionAt(name);
    return {
      "restart": RESTART[restart.when],
      "delays": restart.when === "no" ? 0 : addressOf(this.#delayTable(restart)),
      "last delay": (delays(restart).length - 1) * TIMER_SIZE,
      "keep": keep ? 1 : 0,
      "after": afterList(after, place),
      "pre-start": entry(app.preStart, label.preStart(app)),
      "main": instructionAt(label.main(app)),
      "post-stop": entry(app.postStop, label.postStop(app)),
    };
  }

  #delayTable(restart: RestartPolicy): Struct {
    const known = this.#delays.get(restart.delay);
    if (known !== undefined) return known;
    const made = struct("itimerspecs", ...delays(restart).flatMap(timerFields));
    this.#delays.set(restart.delay, made);
    return made;
  }

  #locate(steps: Section, app: Slot, word: Word, into: Slot): void {
    for (
      const [table, words] of [
        [this.#state, STATE],
        [this.#lifecycle, LIFECYCLE],
        [this.#names, NAMES],
      ] as const
    ) {
      const index = (words as readonly string[]).indexOf(word);
      if (index >= 0) steps.compute("add", [app, addressOf(table, index * 8)], { store: into });
    }
  }

  /** Reads a word of an app's record. */
  get(steps: Section, app: Slot, word: Word, into: Slot): void {
    this.#locate(steps, app, word, this.#at);
    steps.compute("load", [this.#at], { store: into });
  }

  /** Reads a word, and branches if it holds a value. */
  when(steps: Section, app: Slot, word: Word, value: number, to: string): void {
    this.#locate(steps, app, word, this.#at);
    steps.compute("load", [this.#at], { branch: { when: "equal", operand: value, to } });
  }

  /** Writes a word. */
  put(steps: Section, app: Slot, word: StateWord, value: Slot | number): void {
    this.#locate(steps, app, word, this.#at);
    steps.compute("put", [this.#at, value]);
  }

  /** Which app it is: the offset of its record. */
  offsetOf(app: PodApp): number {
    return this.apps.indexOf(app) * RECORD;
  }

  /** The address of a word. */
  locate(steps: Section, app: Slot, word: StateWord, into: Slot): void {
    this.#locate(steps, app, word, into);
  }

  /**
   * Steps for one app after the other, behind the label `name`.
   *
   * @param body branches to `next` to go on with the next app
   */
  each(steps: Section, name: string, app: Slot, body: (next: string) => void): void {
    const next = `${name}: next app`;
    const one = `${name}: app`;
    steps.label(name);
    if (this.apps.length === 0) return steps.label(next);
    steps.set(app, 0);
    steps.label(one);
    body(next);
    steps.label(next);
    steps.compute("add", [app, RECORD], { store: app });
    steps.compute("sub", [app, this.apps.length * RECORD], {
      store: this.#rest,
      branch: { when: "different", operand: 0, to: one },
    });
  }
}

function stateOf(app: PodApp): Readonly<Record<StateWord, Value>> {
  const { restart } = app.lifecycle;
  const dormant = startsOnDemand(app);
  return {
    "phase": dormant ? PHASE.dormant : PHASE.waiting,
    "pid": 0,
    "code": 0,
    // Who connects to it can wait, because its sockets are there.
    "settled": dormant ? 1 : 0,
    "left": Math.min(restart.most, 2 ** 52),
    "restarts": 0,
    "timer": 0,
    "delay": 0,
  };
}

function afterList(after: readonly string[], place: ReadonlyMap<string, number>): Value {
  if (after.length === 0) return 0;
  const records = after.map((name): Field => ["app", 8, place.get(name) ?? NaN]);
  return addressOf(struct("apps", ...records, ["end", 8, NO_APP]));
}

function namesOf(app: PodApp, cgroups: Cgroups | undefined): Readonly<Record<string, Value>> {
  const [cgroup] = cgroups?.inside === true ? cgroups.apps.get(app.name) ?? [] : [];
  return {
    "cgroup": cgroup === undefined ? 0 : addressOf(cgroup),
    "name": app.name,
    "name length": new TextEncoder().encode(app.name).length,
    "pid file": `${app.name}-pid`,
    "start file": `${app.name}-started`,
    "restarts file": app.lifecycle.restart.when === "no" ? 0 : `${app.name}-restarts`,
    "stop signal": app.stopSignal ?? SIGTERM,
  };
}
