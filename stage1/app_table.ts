/**
 * The table of the apps, in init's memory: a record of eight-byte words for each. So the code of init's loop is the
 * same for one app and for fifty.
 */
import { delays, type Life, LONGEST_DELAY } from "./life.ts";
import {
  type Address,
  addressOf,
  type Field,
  instructionAt,
  type Section,
  type Slot,
  slot,
  type Struct,
  struct,
  type Value,
} from "./plan/plan.ts";
import type { PodApp } from "./pod.ts";

/** How far an app has come. The phases below `preparing` wait for init, those from there on for a process. */
export const PHASE = {
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

/** The words of a record. */
const WORDS = [
  "phase",
  /** The PID of the app's process that runs; 0 where none does. */
  "pid",
  /** The exit status of main. */
  "code",
  /** 1 when those that start after the app need not wait for it any more. */
  "settled",
  "restart",
  /** How often it may still be started again. */
  "left",
  "restarts",
  /** Its POSIX timer, where it may be started again. */
  "timer",
  /** The delay before the next start, of the delays from the first to the last one. */
  "delay",
  "first delay",
  "last delay",
  "keep",
  /** The records of the apps that it starts after, with a 0 behind them. */
  "after",
  /** Where its processes begin; 0 where it has none of the kind. */
  "pre-start",
  "main",
  "post-stop",
  /** A descriptor of the cgroup that its processes are born in, where they are. */
  "cgroup",
  /** The name of the app and of its file in the status directory. */
  "name",
  "name length",
  "pid file",
  "start file",
  "restarts file",
] as const;

type Word = typeof WORDS[number];

/** Bytes of a record. */
const RECORD = WORDS.length * 8;

/** Bytes of `struct itimerspec` (include/uapi/linux/time.h). */
export const TIMER_SIZE = 32;

/** Where a process of an app begins in the plan. */
export const label = {
  main: (app: PodApp) => `app ${app.name}`,
  preStart: (app: PodApp) => `pre-start of ${app.name}`,
  postStop: (app: PodApp) => `post-stop of ${app.name}`,
};

/** A one-shot timer of some milliseconds; of none it would never fire. */
const timerFields = (milliseconds: number): readonly Field[] => [
  ["interval", 8, 0],
  ["", 8, 0],
  ["seconds", 8, Math.floor(milliseconds / 1000)],
  ["nanoseconds", 8, milliseconds === 0 ? 1 : (milliseconds % 1000) * 1e6],
];

/** How long an app must run for its next delay to be the first one again. */
export const GOOD_RUN = struct("itimerspec", ...timerFields(LONGEST_DELAY));

/** The table, and the steps that read and write it. */
export class AppTable {
  readonly #table: Struct;
  readonly #at = slot("at");
  readonly #rest = slot("rest");
  /** The delays of each policy, once for all apps that have it. */
  readonly #delays = new Map<number, Struct>();

  /** @param apps in the order in which they start */
  constructor(readonly apps: readonly PodApp[]) {
    const fields: Field[] = [];
    // The lists of apps to wait for refer to the table, which refers to them.
    this.#table = { kind: "struct", name: "apps", fields, mutable: true };
    const place = new Map(apps.map(({ name }, i) => [name, i * RECORD]));
    for (const app of apps) fields.push(...this.#record(app, place));
  }

  #record(app: PodApp, place: ReadonlyMap<string, number>): readonly Field[] {
    const { restart, keep, after }: Life = app.life;
    const again = restart.when !== "no";
    const entry = (there: unknown, name: string): Value =>
      there === undefined ? 0 : instructionAt(name);
    const times = delays(restart);
    const first = again ? this.#delayTable(restart.delay, times) : undefined;
    const values: Readonly<Record<Word, Value>> = {
      "phase": PHASE.waiting,
      "pid": 0,
      "code": 0,
      "settled": 0,
      "restart": RESTART[restart.when],
      "left": Math.min(restart.most, 2 ** 52),
      "restarts": 0,
      "timer": 0,
      "delay": first === undefined ? 0 : addressOf(first),
      "first delay": first === undefined ? 0 : addressOf(first),
      "last delay": first === undefined ? 0 : addressOf(first, (times.length - 1) * TIMER_SIZE),
      "keep": keep ? 1 : 0,
      "after": this.#afterList(after, place),
      "pre-start": entry(app.preStart, label.preStart(app)),
      "main": instructionAt(label.main(app)),
      "post-stop": entry(app.postStop, label.postStop(app)),
      "cgroup": 0,
      "name": app.name,
      "name length": new TextEncoder().encode(app.name).length,
      "pid file": `${app.name}-pid`,
      "start file": `${app.name}-started`,
      "restarts file": again ? `${app.name}-restarts` : 0,
    };
    return WORDS.map((word) => [word, 8, values[word]]);
  }

  #delayTable(delay: number, times: readonly number[]): Struct {
    const known = this.#delays.get(delay);
    if (known !== undefined) return known;
    const made = struct("itimerspecs", ...times.flatMap(timerFields));
    this.#delays.set(delay, made);
    return made;
  }

  #afterList(after: readonly string[], place: ReadonlyMap<string, number>): Value {
    if (after.length === 0) return 0;
    const records = after.map((name): Field => ["app", 8, this.#address(place.get(name) ?? NaN)]);
    return addressOf(struct("apps", ...records, ["end", 8, 0]));
  }

  #address(offset: number): Address {
    return addressOf(this.#table, offset);
  }

  /** Reads a word of the record that a slot points to. */
  get(steps: Section, app: Slot, word: Word, into: Slot): void {
    steps.compute("sum", [app, WORDS.indexOf(word) * 8], { store: this.#at });
    steps.compute("load", [this.#at], { store: into });
  }

  /** Reads a word, and branches if it holds a value. */
  when(steps: Section, app: Slot, word: Word, value: number, to: string): void {
    steps.compute("sum", [app, WORDS.indexOf(word) * 8], { store: this.#at });
    steps.compute("load", [this.#at], { branch: { when: "equal", operand: value, to } });
  }

  /** Writes a word. */
  put(steps: Section, app: Slot, word: Word, value: Slot | number): void {
    this.locate(steps, app, word, this.#at);
    steps.compute("put", [this.#at, value]);
  }

  /** The address of a word. */
  locate(steps: Section, app: Slot, word: Word, into: Slot): void {
    steps.compute("sum", [app, WORDS.indexOf(word) * 8], { store: into });
  }

  /** The address of an app's word, where it is known which app. */
  wordOf(app: PodApp, word: Word): Address {
    return this.#address(this.apps.indexOf(app) * RECORD + WORDS.indexOf(word) * 8);
  }

  /**
   * Steps for one app after the other, behind the label `name`.
   *
   * @param app points to the record
   * @param body branches to `next` to go on with the next app
   */
  each(steps: Section, name: string, app: Slot, body: (next: string) => void): void {
    const next = `${name}: next app`;
    const one = `${name}: app`;
    steps.label(name);
    if (this.apps.length === 0) return steps.label(next);
    steps.set(app, this.#address(0));
    steps.label(one);
    body(next);
    steps.label(next);
    steps.compute("sum", [app, RECORD], { store: app });
    steps.compute("difference", [app, this.#address(this.apps.length * RECORD)], {
      store: this.#rest,
      branch: { when: "different", operand: 0, to: one },
    });
  }
}
