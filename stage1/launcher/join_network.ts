/**
 * Joins a pod whose start is repeated to its network: a namespace, an address, a link with two ends, rules; and what takes them
 * down again is written into its program. src/net/pod/set_up.ts does the same for a first start. What is in the way of
 * it is undone, and the full way finds and says what it is.
 */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import {
  type Address,
  addressOf,
  type Section,
  type Slot,
  slot,
  type Space,
  space,
  struct,
  type Value,
} from "../engine/plan.ts";
import { bridgeIndex, BRIDGES_LOCK, findBridge, unlockBridges } from "./find_bridge.ts";
import {
  ANSWER,
  ask,
  dump,
  isLess,
  NLMSG_HDRLEN,
  nowhere,
  openNetlink,
  pieces,
  receive,
  send,
  type ValuePlaces,
} from "./netlink.ts";
import type { NetworkReplay, PortChecks, Template } from "./network_replay.ts";
import { fillPlaces, type ProgramInMemory } from "./fill_holes.ts";
import { IPV6_SETTINGS, openSettings, setForLink, setIpv6 } from "./link_settings.ts";
import { word } from "./replay_users.ts";
import { NET_INFO } from "./reservations.ts";
import { reserveAddress, type Reserved, reservedSlots } from "./reserve_address.ts";

/** How often rules are tried again when somebody else has changed some at the same time. */
const ATTEMPTS = 20;

/** The pod that joins. */
export interface Joining {
  readonly network: NetworkReplay;
  readonly uuid: Address;
  /** The path of its record. */
  readonly record: Value;
  /** The descriptor of the pod's directory. */
  readonly directory: Slot;
  readonly program: ProgramInMemory;
  /** The number under which its supervisor expects the namespace. */
  readonly namespace: number;
}

/** What steps hold that undo() gives back. */
interface Held {
  readonly reserved: Reserved;
  /** Descriptors, or -1. */
  readonly open: readonly Slot[];
  readonly rulesSocket: Slot;
  /** 1 when there are rules. */
  readonly ruled: Slot;
}

/** Where a start goes on that fails once its network is joined. */
export const UNDO_NETWORK = "network: undo";
const UNDO = UNDO_NETWORK;

/**
 * The steps. What fails goes on at `failed`, with nothing left; so does what fails later and goes on at
 * {@linkcode UNDO_NETWORK}. The sockets that take care of it stay open until execve(2) closes them.
 */
export function joinNetwork(s: Section, joining: Joining, failed: string): void {
  const { network, uuid, record, directory, program } = joining;
  const { bridge, ports } = network;
  const [hostAnswer, podAnswer, generation] = ["host's end", "pod's end", "generation"].map((
    name,
  ) => space(`answer: ${name}`, ANSWER)) as [Space, Space, Space];
  const answer = space("answer of the kernel", ANSWER);
  const memory = space("values of the pod", 128);
  const values: ValuePlaces = {
    address: addressOf(memory),
    addressNumber: addressOf(memory, 8),
    addressFile: addressOf(memory, 16),
    addressText: addressOf(memory, 96),
    link: addressOf(memory, 64),
    uuid,
    hostIndex: addressOf(hostAnswer, NLMSG_HDRLEN + 4),
    bridgeIndex: bridge === undefined ? nowhere : bridgeIndex(),
    podIndex: addressOf(podAnswer, NLMSG_HDRLEN + 4),
    generation: addressOf(generation, NLMSG_HDRLEN + 8),
  };
  const [hostSocket, podSocket, rulesSocket, ruled] = [
    slot("socket on the host"),
    slot("socket in the pod"),
    slot("socket to nf_tables"),
    slot("ruled"),
  ] as const;
  const podSettings = slot("settings of the pod's links");
  const hostSettings = slot("settings of the host's links");
  const ipv4Settings = slot("IPv4 settings of the host's links");
  const reserved = reservedSlots();
  const held = {
    reserved,
    ruled,
    open: [
      ...[hostSocket, podSocket, rulesSocket, podSettings, hostSettings, ipv4Settings],
      ...bridge === undefined ? [] : [BRIDGES_LOCK],
    ],
    rulesSocket,
  };
  s.heading("the pod's network");
  for (const fd of [...held.open, reserved.reservations]) s.set(fd, -1);
  for (const done of [ruled, reserved.recorded, reserved.reserved]) s.set(done, 0);
  if (ports !== undefined) checkListeners(s, ports);
  makeNamespace(s, joining.namespace, podSocket, podSettings);
  reserveAddress(s, { ...network, record, uuid, directory, failed: UNDO }, reserved);
  fillValues(s, reserved, values);
  s.heading("the link between pod and host");
  openNetlink(s, k.NETLINK_ROUTE, hostSocket, UNDO);
  if (bridge !== undefined) findBridge(s, hostSocket, bridge, UNDO);
  ask(s, "make the link", hostSocket, network.link, values, hostAnswer, UNDO);
  if (bridge !== undefined) unlockBridges(s);
  ask(s, "look at the pod's end", podSocket, network.podLink, values, podAnswer, UNDO);
  setIpv6(s, podSettings, "eth0", "accept_ra", "0", UNDO);
  openSettings(s, IPV6_SETTINGS, hostSettings, "no IPv6");
  s.label("no IPv6");
  // New links have IPv6, as a condition says.
  const [setting, value] = network.ipv6
    ? ["accept_ra", "0"] as const
    : ["disable_ipv6", "1"] as const;
  setIpv6(s, hostSettings, values.link, setting, value, UNDO);
  ask(s, "set up the pod's end", podSocket, network.podEnd, values, answer, UNDO);
  ask(s, "set up the host's end", hostSocket, network.hostEnd, values, answer, UNDO);
  if (network.rules !== undefined) {
    openNetlink(s, k.NETLINK_NETFILTER, rulesSocket, UNDO);
    if (network.ruleQuestion !== undefined) {
      const question = { hex: network.ruleQuestion, holes: [] };
      ask(s, "has the table its rules?", rulesSocket, question, values, answer, UNDO);
    }
    setRules(s, rulesSocket, network.rules, values, answer, generation, ports);
    s.set(ruled, 1);
  }
  if (ports !== undefined) {
    openSettings(s, "/proc/sys/net/ipv4/conf", ipv4Settings, UNDO);
    setForLink(s, ipv4Settings, bridge?.name ?? values.link, "route_localnet", "1", UNDO);
  }
  writeTearDown(s, network, values, program);
  s.goto("network: joined");
  undo(s, joining, values, held);
  s.goto(failed);
  s.label("network: joined");
}

/** Goes the full way where a socket listens on one of the ports: whether it is really in the way is found out there. */
function checkListeners(s: Section, { listeners, hostPorts }: PortChecks): void {
  const [socket, port] = [slot("socket for sockets"), slot("port of a socket")];
  const no = "network: a port is taken";
  openNetlink(s, k.NETLINK_SOCK_DIAG, socket, UNDO);
  for (const [i, hex] of listeners.entries()) {
    dump(s, `listeners ${i}`, socket, hex, (at) => {
      // Behind four bytes of `struct inet_diag_msg`: the socket's own port, big-endian.
      s.compute("add", [at, NLMSG_HDRLEN + 4], { store: port });
      s.compute("load", [port], { store: port });
      s.compute("and", [port, 0xffff], { store: port });
      for (const each of hostPorts) s.when(port, (each & 0xff) << 8 | each >> 8, no);
    }, no);
  }
  s.attempt("close the socket", "close", [socket]);
  s.goto("network: ports are free");
  s.label(no);
  s.attempt("close the socket", "close", [socket]);
  s.goto(UNDO);
  s.label("network: ports are free");
}

/** A child that shares memory and descriptors makes the namespace: this process stays where it is. */
function makeNamespace(
  s: Section,
  number: number,
  podSocket: Slot,
  podSettings: Slot,
): void {
  const [child, namespace] = [slot("child"), slot("namespace")];
  const end = "network: child ends";
  s.heading("a network namespace");
  s.set(namespace, -1);
  s.attempt("make a child", "clone", [
    k.CLONE_VM | k.CLONE_VFORK | k.CLONE_FILES | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: child, branch: { when: "error", to: UNDO } });
  s.when(child, 0, "network: child");
  s.attempt("wait for it", "wait4", [child, 0, k.__WALL, 0]);
  s.compute("let", [namespace], { branch: { when: "less", operand: 0, to: UNDO } });
  s.attempt("keep the namespace", "dup3", [namespace, number, 0], {
    branch: { when: "error", to: "network: no number" },
  });
  s.keep(number, "init enters it");
  s.attempt("close it", "close", [namespace]);
  s.compute("let", [podSocket], { branch: { when: "less", operand: 0, to: UNDO } });
  s.goto("network: namespace is made");
  s.label("network: no number");
  s.attempt("close it", "close", [namespace]);
  s.goto(UNDO);

  s.label("network: child");
  s.attempt("have a network of its own", "unshare", [k.CLONE_NEWNET], {
    branch: { when: "error", to: end },
  });
  s.attempt("open the settings of its links", "openat", [
    k.AT_FDCWD,
    IPV6_SETTINGS,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: podSettings });
  s.attempt("open the namespace", "openat", [
    k.AT_FDCWD,
    "/proc/self/ns/net",
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: namespace, branch: { when: "error", to: end } });
  openNetlink(s, k.NETLINK_ROUTE, podSocket, end);
  s.label(end);
  s.attempt("end", "exit_group", [0]);
  s.label("network: namespace is made");
}

/** The address as messages and paths have it, and the link's name: see src/net/model/host_link_name.ts. */
function fillValues(s: Section, { address, text, size }: Reserved, values: ValuePlaces): void {
  const [part, all, to] = [slot("byte"), slot("bytes"), slot("place")];
  const behind = ({ of, offset }: Address, more: number): Address => ({
    kind: "address",
    of,
    offset: offset + more,
  });
  s.heading("what messages and paths say of it");
  s.compute("shr", [address, 24], { store: all });
  for (const shift of [16, 8, 0]) {
    s.compute("shr", [address, shift], { store: part });
    s.compute("and", [part, 0xff], { store: part });
    s.compute("shl", [part, 24 - shift], { store: part });
    s.compute("add", [all, part], { store: all });
  }
  s.compute("put", [values.address, all]);
  s.compute("put", [values.addressNumber, address]);
  const slashes = word("////////");
  for (const more of [0, 8]) s.compute("put", [behind(values.addressFile, more), slashes]);
  s.compute("sub", [behind(values.addressFile, 16), size], { store: to });
  for (const more of [0, 8]) {
    s.compute("load", [behind(text, more)], { store: part });
    s.compute("put", [to, part]);
    s.compute("add", [to, 8], { store: to });
  }
  for (const more of [0, 8]) {
    s.compute("load", [behind(text, more)], { store: part });
    s.compute("put", [behind(values.addressText, more), part]);
  }
  s.compute("add", [values.addressText, size], { store: to });
  s.compute("put", [to, word(" ".repeat(8))]);
  s.compute("put", [values.link, word("veth")]);
  for (const [to, from] of [[4, 0], [12, 9]] as const) {
    s.compute("load", [behind(values.uuid, from)], { store: part });
    s.compute("put", [behind(values.link, to), part]);
  }
  s.compute("put", [behind(values.link, 14), word("0")]);
}

/** Inserts the rules, all or none. */
function setRules(
  s: Section,
  socket: Slot,
  rules: Template,
  values: ValuePlaces,
  answer: Space,
  generation: Space,
  ports: PortChecks | undefined,
): void {
  const [attempts, error] = [slot("attempts"), slot("error of nf_tables")];
  const taken = slot("a port is another pod's");
  s.heading("its rules");
  s.set(attempts, ATTEMPTS);
  s.label("rules: try");
  s.when(attempts, 0, UNDO);
  s.compute("sub", [attempts, 1], { store: attempts });
  if (ports !== undefined) {
    const question = { hex: ports.generation, holes: [] };
    ask(s, "ask for the generation of rules", socket, question, values, generation, UNDO);
    s.set(taken, 0);
    for (const [i, hex] of ports.others.entries()) {
      dump(
        s,
        `ports ${i}`,
        socket,
        hex,
        (at, length) => findKeys(s, i, at, length, ports.keys, taken),
        UNDO,
      );
    }
    s.when(taken, 0, "rules: ports are free");
    // Those of a pod that has just ended are there until the kernel's next tick.
    s.attempt("wait a moment", "clock_nanosleep", [k.CLOCK_MONOTONIC, 0, MOMENT, 0]);
    s.goto("rules: try");
    s.label("rules: ports are free");
  }
  send(s, "insert the rules", socket, rules, values, UNDO);
  receive(s, "rules", socket, answer, error, "rules: refused");
  s.goto("rules: set");
  s.label("rules: refused");
  // Somebody else has changed some.
  s.when(error, 0x1_0000_0000 - ERRNO.ERESTART, "rules: try");
  s.goto(UNDO);
  s.label("rules: set");
}

/** How long is waited for a port that another pod has: half a millisecond. */
const MOMENT = struct("timespec of a moment", ["seconds", 8, 0], ["nanoseconds", 8, 500_000]);

/** Notes in `found` that an element is one of the keys. */
function findKeys(
  s: Section,
  set: number,
  at: Slot,
  length: Slot,
  keys: readonly string[],
  found: Slot,
): void {
  const [place, last, same] = [slot("place in the element"), slot("last place"), slot("same")];
  for (const [i, hex] of keys.entries()) {
    const bytes = Uint8Array.fromHex(hex);
    const key = struct(`key ${set} ${i}`, ["key", bytes.length, bytes]);
    s.set(place, at);
    s.compute("add", [at, length], { store: last });
    s.compute("sub", [last, bytes.length], { store: last });
    s.label(`key ${set} ${i}: place`);
    isLess(s, last, place, `key ${set} ${i}: no`);
    s.compute("same", [place, key, bytes.length], { store: same });
    s.when(same, 1, `key ${set} ${i}: found`);
    s.compute("add", [place, 1], { store: place });
    s.goto(`key ${set} ${i}: place`);
    s.label(`key ${set} ${i}: found`);
    s.set(found, 1);
    s.label(`key ${set} ${i}: no`);
  }
}

function writeTearDown(
  s: Section,
  network: NetworkReplay,
  values: ValuePlaces,
  { base, holes }: ProgramInMemory,
): void {
  s.heading("what takes the network down");
  for (const [name, template] of network.program) {
    const places = holes.filter((hole) => hole.name === name).map(({ at }) => at);
    for (const { at, size, from } of pieces(name, template, values)) {
      fillPlaces(s, base, `${name} ${at}`, places.map((place) => place + at), from, size);
    }
  }
}

function closeAll(s: Section, { reserved, open }: Held): void {
  for (const fd of [reserved.reservations, ...open]) {
    s.attempt("close what is not needed any more", "close", [fd]);
  }
}

function undo(s: Section, joining: Joining, values: ValuePlaces, held: Held): void {
  const { network: { noRules }, record, directory, namespace } = joining;
  const { reserved: { text, reservations, recorded, reserved }, rulesSocket, ruled } = held;
  s.label(UNDO);
  if (noRules !== undefined) {
    s.when(ruled, 0, "network: no rules");
    send(s, "remove the rules", rulesSocket, noRules, values, "network: no rules");
    s.label("network: no rules");
  }
  s.when(reserved, 0, "network: no address");
  s.attempt("give the address back", "unlinkat", [reservations, text, 0]);
  s.label("network: no address");
  s.when(recorded, 0, "network: no record");
  s.attempt("remove the record", "unlinkat", [k.AT_FDCWD, record, 0]);
  s.attempt("remove its name in the pod's directory", "unlinkat", [directory, NET_INFO.name, 0]);
  s.label("network: no record");
  closeAll(s, held);
  s.attempt("let go of the namespace", "close", [namespace]);
}
