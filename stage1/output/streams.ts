/**
 * The apps' standard streams that are not the caller's: pipes, terminals and sockets, and which process holds which
 * end.
 *
 *     app's stdout ──pipe──→ rkt-log (logger.ts)     log, stream; with several apps on a terminal: rkt-names
 *     app's stdin  ←─pipe─── supervisor              stream: `rkt attach` takes the end from the supervisor
 *     app's tty    ←─pty───→ supervisor, rkt-log     tty: the same, and what the app writes is read by rkt-log
 *     app's stdout ─socket─→ journald                journal
 *     app's stdout ──pipe──→ rkt-files               inherit, where the caller's is a file (file_writer.ts)
 *
 * An app may be started many times, so init keeps its ends as long as the pod lives. All ends have fixed numbers: the
 * n-th channel of a pod is descriptor {@linkcode SUPERVISOR_SIDE} + n of the supervisor and {@linkcode APP_SIDE} + n of
 * init. So later steps, and `rkt attach`, know them.
 */
import type { FdSocket } from "../steps/fd_passing.ts";
import { ERROR_FD } from "../engine/abort.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Section, type Slot, slot } from "../engine/plan.ts";
import { type Pod, type PodApp, startsLater, type Streams } from "../pod.ts";
import { handMaster, makePty, openSlave, type Terminal } from "./terminal.ts";

/** The stream number of an app's terminal, which is all three streams. */
export const TTY = 3;

/** A stream with a channel of its own. */
export interface Channel<App = PodApp> {
  /**
   * `prefixed`: to the caller's terminal, with the app's name in front of each line. `file`: to the caller's file; that of
   * stream 1 is for stream 2 as well where both are the same file.
   */
  readonly kind: "log" | "input" | "tty" | "journal" | "prefixed" | "file";
  readonly app: App;
  /** 0 to 2 for standard input, output and error, or {@linkcode TTY}. */
  readonly stream: 0 | 1 | 2 | typeof TTY;
  /** Its number among the pod's channels. */
  readonly number: number;
}

/** The first descriptors of both sides, and how many there are: all below the soft limit of 1024. */
export const SUPERVISOR_SIDE = 256;
export const APP_SIDE = 640;
export const MOST_CHANNELS = 384;

/** The names of the streams 0 to 2. */
export const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** The part of an app that decides its channels. */
type App = { readonly streams: Streams };

/**
 * The channels of a pod, in the order of their numbers.
 *
 * @param pod has the caller's streams that are terminals and shared by several apps, and those that are files; they come
 * last, so that the other channels have the same numbers without them
 */
export function channels<A extends App>(
  apps: readonly A[],
  pod: Pick<Pod, "prefixed" | "caller">,
): readonly Channel<A>[] {
  const { prefixed, caller } = pod;
  const found: Omit<Channel<A>, "number">[] = [];
  for (const app of apps) {
    const modes = STREAMS.map((name) => app.streams[name]);
    if (modes.includes("tty")) found.push({ kind: "tty", app, stream: TTY });
    for (const stream of [0, 1, 2] as const) {
      const mode = modes[stream];
      if (mode === "journal") found.push({ kind: "journal", app, stream });
      if (mode === "log") found.push({ kind: "log", app, stream });
      if (mode === "stream") found.push({ kind: stream === 0 ? "input" : "log", app, stream });
    }
  }
  for (const app of apps) {
    for (const stream of [1, 2] as const) {
      const name = STREAMS[stream];
      if (app.streams[name] !== "inherit") continue;
      if (prefixed.includes(name)) found.push({ kind: "prefixed", app, stream });
      else if (caller?.[name] === "file" && !(stream === 2 && sharesFile(app, pod))) {
        found.push({ kind: "file", app, stream });
      }
    }
  }
  return found.map((channel, number) => ({ ...channel, number }));
}

/** Whether an app's error output goes through the pipe of its output. */
function sharesFile({ streams }: App, { prefixed, caller }: Pick<Pod, "prefixed" | "caller">) {
  return caller?.shared === true && prefixed.length === 0 &&
    streams.stdout === "inherit" && streams.stderr === "inherit";
}

/** Whether any output of an app is kept in the pod. */
export function isLogged(streams: Streams): boolean {
  return channels([{ streams }], { prefixed: [] }).some(({ kind }) =>
    kind === "log" || kind === "tty"
  );
}

/** The part of a pod that decides its channels. */
export type Streaming = Pick<Pod, "apps" | "prefixed" | "caller">;

/** The channels of a pod. */
export function podChannels(pod: Streaming): readonly Channel[] {
  return channels(pod.apps, pod);
}

/** Whether a pod's plan needs `CallerStreamSteps` of output.ts. */
export function needsStreamSteps({ caller }: Pick<Pod, "caller">): boolean {
  return caller !== undefined &&
    [caller.stdin, caller.stdout, caller.stderr].some((kind) =>
      kind === "file" || kind === "device"
    );
}

/** The sockets by which init hands terminals to the supervisor. */
export interface Terminals {
  /** With `--interactive`. */
  readonly interactive?: Terminal | undefined;
  /** For apps with a terminal to attach to. */
  readonly fdSocket?: FdSocket | undefined;
  /** Whoever makes the terminals keeps the masters as well: the shim of an added app, which `rkt attach` takes them from. */
  readonly keepsMasters?: boolean;
}

/** Steps that put a descriptor in another place. */
export function move(steps: Section, what: string, from: Slot, to: number): void {
  steps.must(what, "dup3", [from, to, k.O_CLOEXEC]);
  steps.attempt("close the other descriptor", "close", [from]);
}

/** Steps of init: closes the supervisor's ends. */
export function leaveStreams(setup: Section, pod: Streaming): void {
  if (podChannels(pod).length > 0) leave(setup, 0, MOST_CHANNELS - 1);
}

/** Steps of the shim of an added app: closes these ends, but for that of its input, which `rkt attach` takes from the shim. */
export function leaveOutputs(setup: Section, pod: Streaming): void {
  const all = podChannels(pod);
  const input = all.find(({ kind }) => kind === "input");
  if (input === undefined) return leaveStreams(setup, pod);
  if (input.number > 0) leave(setup, 0, input.number - 1);
  leave(setup, input.number + 1, MOST_CHANNELS - 1);
}

function leave(setup: Section, first: number, last: number): void {
  const range = [SUPERVISOR_SIDE + first, SUPERVISOR_SIDE + last, 0] as const;
  setup.must("close the supervisor's ends of the streams", "close_range", range);
}

/** Whether an app has a terminal that init makes: that of the pod, or one of its own. */
export function makesTerminal(
  pod: Pod,
  app: PodApp,
  { interactive, fdSocket }: Terminals,
): boolean {
  if (interactive !== undefined) return true;
  return fdSocket !== undefined && ttyOf(pod, app) !== undefined;
}

const ttyOf = (pod: Pod, app: PodApp) =>
  podChannels(pod).find((each) => each.app.name === app.name && each.kind === "tty");

/** Steps of init after it has mounted an app's devpts: opens the app's terminal, if it has one. */
export function makeTerminals(
  steps: Section,
  at: string,
  pts: Slot,
  dev: Slot,
  pod: Pod,
  app: PodApp,
  terminals: Terminals,
): void {
  const channel = ttyOf(pod, app);
  const through = terminals.interactive?.fdSocket ?? terminals.fdSocket;
  if (through === undefined || !makesTerminal(pod, app, terminals)) return;
  const master = slot("ptmx");
  makePty(steps, at, pts, dev, app, master);
  if (channel !== undefined) keepSlave(steps, at, pts, APP_SIDE + channel.number);
  else if (startsLater(app)) keepSlave(steps, at, pts, APP_SIDE + podChannels(pod).length);
  if (channel !== undefined && terminals.keepsMasters) {
    const ours = SUPERVISOR_SIDE + channel.number;
    steps.must(`keep the master ${at}`, "dup3", [master, ours, k.O_CLOEXEC]);
    steps.keep(ours, "`rkt attach` takes it from the shim");
  }
  handMaster(steps, through, master);
}

/** Init keeps the terminal open, so that its master does not see a hangup between two starts of the app. */
function keepSlave(steps: Section, at: string, pts: Slot, number: number): void {
  const slave = slot("slave");
  const what = `keep the terminal ${at}`;
  const flags = k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC;
  steps.must(what, "openat", [pts, "0", flags, 0], { store: slave });
  move(steps, what, slave, number);
  steps.keep(number, "the terminal would end with the app's last process");
}

/**
 * Steps of the app, which leads its session and is in its own root: puts its own streams in place of the caller's.
 *
 * @param first the first descriptor that the app does not have of a service manager
 * @returns the first descriptor that it does not need
 */
export function takeStreams(steps: Section, pod: Pod, app: PodApp, first: number): number {
  const at = `in app "${app.name}"`;
  const own = podChannels(pod).filter((channel) => channel.app.name === app.name);
  const channelOf = (stream: number) =>
    own.find((each) => each.stream === (stream === 2 && sharesFile(app, pod) ? 1 : stream));
  const isNull = (name: keyof Streams) =>
    app.streams[name] === "null" ||
    (app.streams[name] === "inherit" && pod.caller?.[name] === "null");
  const keepsCaller = app.streams.stderr !== "inherit" || channelOf(2) !== undefined ||
    isNull("stderr");
  if (keepsCaller) {
    // From here on, failures are reported to whoever has started the pod.
    steps.must(`keep the caller's standard error ${at}`, "dup3", [2, first, k.O_CLOEXEC]);
    steps.compute("put", [addressOf(ERROR_FD), first]);
  }
  const tty = own.some(({ kind }) => kind === "tty") ? openSlave(steps, at) : undefined;
  for (const [stream, name] of STREAMS.entries()) {
    const mode = app.streams[name];
    const channel = channelOf(stream);
    const what = `make ${name} what --${name}=${mode} says ${at}`;
    if (isNull(name)) openNull(steps, what, stream);
    else if (mode === "tty" && tty !== undefined) steps.must(what, "dup3", [tty, stream, 0]);
    else if (channel !== undefined) {
      steps.must(what, "dup3", [APP_SIDE + channel.number, stream, 0]);
    } else if (app.uid !== 0 && pod.caller?.[name] === "other") {
      // Else it could not open /dev/stdout, which names the caller's pipe; runc does the same.
      const user = [stream, "", app.uid, app.gid, k.AT_EMPTY_PATH] as const;
      steps.attempt(`give the caller's ${name} to user ${app.uid} ${at}`, "fchownat", user);
    }
  }
  return keepsCaller ? first + 1 : first;
}

function openNull(steps: Section, what: string, stream: number): void {
  const file = slot("file");
  const flags = k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC;
  steps.must(what, "openat", [k.AT_FDCWD, "/dev/null", flags, 0], { store: file });
  steps.must(what, "dup3", [file, stream, 0]);
}
