/** The supervisor's part of the apps' streams: it opens all but terminals, and gets the masters of those; see streams.ts. */
import { connectJournal } from "./journal.ts";
import { type FdSocket, openFdSocket, receiveDescriptor, splitPair } from "../steps/fd_passing.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, slot, space } from "../engine/plan.ts";
import type { Pod, PodApp } from "../pod.ts";
import type { IdKind } from "../root/pod_users.ts";
import { idInPlan, toHostId } from "../root/private_users.ts";
import {
  APP_SIDE,
  type Channel,
  MOST_CHANNELS,
  move,
  podChannels,
  type Streaming,
  STREAMS,
  SUPERVISOR_SIDE,
  TTY,
} from "./streams.ts";

/** Whose streams are opened. */
type Owner = Pick<Pod, "uuid"> & Partial<Pick<Pod, "privateUsers" | "holes">>;

/** Steps of the supervisor before it forks init: opens all channels but the terminals, which only init can open. */
export function openStreams(
  setup: Section,
  pod: Streaming & Owner,
): FdSocket | undefined {
  const all = podChannels(pod);
  if (all.length === 0) return undefined;
  setup.heading("supervisor: the apps' streams");
  for (const channel of all) {
    if (channel.kind === "journal") openJournal(setup, pod, channel);
    else if (channel.kind !== "tty") openPipe(setup, pod, channel);
  }
  return all.some(({ kind }) => kind === "tty")
    ? openFdSocket(setup, "make a socket for the apps' terminals")
    : undefined;
}

const nameOf = ({ app, stream }: Channel): string =>
  `${stream === TTY ? "terminal" : STREAMS[stream]} of app "${app.name}"`;

function openPipe(setup: Section, pod: Owner, channel: Channel): void {
  const pair = space("pipe", 8);
  const [output, input] = [slot("output"), slot("input")];
  const what = `make a pipe for ${nameOf(channel)}`;
  setup.must(what, "pipe2", [pair, k.O_CLOEXEC]);
  splitPair(setup, pair, output, input);
  const toApp = channel.kind === "input";
  const ours = SUPERVISOR_SIDE + channel.number;
  move(setup, what, toApp ? input : output, ours);
  move(setup, what, toApp ? output : input, APP_SIDE + channel.number);
  // An app may read its own pipe. The logger must not block on data that is gone then.
  setup.must("never wait for it", "fcntl", [ours, k.F_SETFL, k.O_NONBLOCK]);
  if (toApp) setup.keep(ours, "`rkt attach` takes it from the supervisor");
  giveToApp(setup, what, pod, channel);
}

/** So that the app can open /dev/stdout, which names the pipe. */
function giveToApp(setup: Section, what: string, pod: Owner, { app, number }: Channel): void {
  const { privateUsers, holes } = pod;
  if (privateUsers === undefined && app.uid === 0 && app.gid === 0) return;
  const inPlan = (kind: IdKind) =>
    idInPlan({ privateUsers, holes }, toHostId(app[kind], privateUsers, kind));
  const owner = [inPlan("uid"), inPlan("gid")] as const;
  setup.must(what, "fchownat", [APP_SIDE + number, "", ...owner, k.AT_EMPTY_PATH]);
}

/** In a unit, which says which pod it is, it is the app's name: `journalctl -u UNIT -t APP`. */
function journalIdentifier(
  { uuid, inUnit }: Pick<Pod, "uuid" | "inUnit">,
  { name }: Pick<PodApp, "name">,
): string {
  return inUnit ? name : `rkt-${uuid}/${name}`;
}

function openJournal(setup: Section, pod: Pick<Pod, "uuid">, channel: Channel): void {
  const what = `connect ${nameOf(channel)} to the journal`;
  const socket = connectJournal(setup, what, journalIdentifier(pod, channel.app));
  move(setup, what, socket, APP_SIDE + channel.number);
}

/** Steps of the supervisor after it has forked init: closes the apps' ends, and receives the masters of the terminals. */
export function receiveStreams(
  setup: Section,
  pod: Streaming,
  fdSocket: FdSocket | undefined,
  failed: string,
): void {
  const all = podChannels(pod);
  if (all.length === 0) return;
  setup.must("leave the apps their ends of the streams", "close_range", [
    APP_SIDE,
    APP_SIDE + MOST_CHANNELS - 1,
    0,
  ]);
  if (fdSocket !== undefined) receiveTerminals(setup, pod, fdSocket, failed);
}

/** Steps of whoever reads the terminals: receives their masters. They go on at `failed` where their maker has ended before. */
export function receiveTerminals(
  steps: Section,
  pod: Streaming,
  fdSocket: FdSocket,
  failed: string,
): void {
  steps.must("leave init its end of the socket", "close", [fdSocket.sender]);
  for (const channel of podChannels(pod).filter(({ kind }) => kind === "tty")) {
    const what = `receive the ${nameOf(channel)}`;
    const master = slot("master");
    const ours = SUPERVISOR_SIDE + channel.number;
    receiveDescriptor(steps, what, fdSocket, master, failed);
    move(steps, what, master, ours);
    steps.must("never wait for it", "fcntl", [ours, k.F_SETFL, k.O_RDWR | k.O_NONBLOCK]);
  }
}
