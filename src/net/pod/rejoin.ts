/**
 * Joins a pod to a network from a cached start (src/start/cache/start_cache.ts). The messages to the kernel are prepared:
 * record_rejoin.ts makes them from the same requests that ptp.ts and nat.ts send. Only what differs from pod to pod is
 * written into them here.
 *
 * If anything has changed since then, this gives up and set_up.ts takes over. That finds and reports the cause, so nothing
 * here has error messages.
 */
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, lockExclusive, openLockFile } from "../../linux/lock.ts";
import { syscall } from "../../linux/syscall.ts";
import { allowIpv6, ignoreRouters } from "../types/link_sysctls.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import { keepNamespace, makeNamespaceWith, POD_NAMESPACE } from "../kernel/namespace.ts";
import {
  AF_NETLINK,
  MSG_DONTWAIT,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NETLINK_SOCK_DIAG,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  RECEIVE_SIZE,
  SOCK_CLOEXEC,
  SOCK_RAW,
} from "../kernel/netlink_numbers.ts";

export { POD_NAMESPACE };

/** A network of a cached start. The pod's interface is `eth0`. */
export interface CachedNetwork {
  readonly range: AddressRange;
  /** The text of `net-info.json`; the pod's address goes between the parts. */
  readonly info: readonly string[];
  /** Makes the veth, down, and asks for its end on the host. */
  readonly link: Template;
  /** Brings up the pod's loopback interface, and asks for the veth's end in the pod. */
  readonly podLink: Template;
  /** Addresses and routes of both ends; before, the filter and the settings of the host's. */
  readonly podEnd: Template;
  readonly hostEnd: Template;
  /** Inserts the pod's rules; absent where it needs none. */
  readonly rules?: Template;
  readonly ports?: PortChecks;
  /** The parts of the supervisor's program that take the network down. */
  readonly program: readonly (readonly [at: readonly number[], Template])[];
}

/** A range of IPv4 addresses as numbers, and the directory of its reservations (host_local.ts). */
export interface AddressRange {
  readonly directory: string;
  readonly first: number;
  readonly last: number;
  readonly gateway: number;
}

/** What is checked before TCP ports are forwarded. */
export interface PortChecks {
  readonly hostPorts: readonly number[];
  /** Asks for listening sockets, by sock_diag(7). */
  readonly listeners: readonly string[];
  /** Asks for the generation of the rules. */
  readonly generation: string;
  /** Ask for the ports that other pods have, of all and of single addresses of the host. None of `keys` may be among them. */
  readonly others: readonly string[];
  readonly keys: readonly string[];
}

/** A message or a path in hexadecimal digits, with holes for values. */
export interface Template {
  readonly hex: string;
  readonly holes: readonly (readonly [value: ValueName, from: number, at: number, size: number])[];
}

/** What differs from pod to pod. */
export interface Values {
  readonly address: Uint8Array;
  /** The same as a number in the machine's byte order, as filters have it. */
  readonly addressNumber: Uint8Array;
  /** The name of its reservation, filled up with leading slashes to {@linkcode ADDRESS_FILE} bytes; see set_up.ts. */
  readonly addressFile: Uint8Array;
  /** The address as text, filled up with spaces to {@linkcode ADDRESS_TEXT} bytes; see etc_files.ts. */
  readonly addressText: Uint8Array;
  readonly uuid: Uint8Array;
  /** The name of the veth's end on the host. */
  readonly link: Uint8Array;
  /** The indices of its ends, in the machine's byte order. */
  readonly hostIndex: Uint8Array;
  readonly podIndex: Uint8Array;
  /** Of the rules, big-endian. */
  readonly generation: Uint8Array;
}

export type ValueName = keyof Values;

/** Bytes of {@linkcode Values.addressFile} and of {@linkcode Values.addressText}. */
export const ADDRESS_FILE = 16;
export const ADDRESS_TEXT = 15;

/** How often rules are tried again when somebody else has changed some at the same time. */
const ATTEMPTS = 20;

const encoder = new TextEncoder();

/** The pod, as {@linkcode rejoin} needs to know it. */
export interface RejoiningPod {
  readonly uuid: string;
  /** Absolute. */
  readonly dataDir: string;
  /** The pod's directory, where it is now. */
  readonly podPath: string;
}

/**
 * Joins a pod to its network, and writes what takes it down into the program of its supervisor.
 *
 * @returns whether that succeeded. If not, parts of the network may be left; the pod's record names them.
 */
export function rejoin(network: CachedNetwork, pod: RejoiningPod, program: Uint8Array): boolean {
  try {
    return join(network, pod, program);
  } catch (error) {
    // An error of the kernel, or of a file. Anything else is a bug.
    if (error instanceof KernelError || error instanceof Error && "code" in error) return false;
    throw error;
  }
}

function join(network: CachedNetwork, pod: RejoiningPod, program: Uint8Array): boolean {
  const { ports } = network;
  if (Deno.readTextFileSync("/proc/sys/net/ipv4/ip_forward")[0] !== "1") return false;
  if (ports !== undefined && listensOn(ports)) return false;
  const [namespace, podSocket] = makeNamespaceWith(() => {
    ignoreRouters("default");
    return openSocket(NETLINK_ROUTE);
  });
  keepNamespace(namespace);
  const address = takeAddress(network, pod);
  if (address === undefined) return false;
  const text = addressText(address);
  const link = hostLinkName({ containerId: pod.uuid, ifName: "eth0" });
  const values: { -readonly [Name in ValueName]: Uint8Array } = {
    address: bigEndian(address),
    addressNumber: bigEndian(address).reverse(),
    addressFile: encoder.encode(text.padStart(ADDRESS_FILE, "/")),
    addressText: encoder.encode(text.padEnd(ADDRESS_TEXT)),
    uuid: encoder.encode(pod.uuid),
    link: encoder.encode(link),
    hostIndex: new Uint8Array(4),
    podIndex: new Uint8Array(4),
    generation: new Uint8Array(4),
  };
  const hostSocket = openSocket(NETLINK_ROUTE);
  const madeLink = ask(hostSocket, filled(network.link, values));
  const podLink = madeLink && ask(podSocket, filled(network.podLink, values));
  if (madeLink === undefined || podLink === undefined) return false;
  values.hostIndex = indexOf(madeLink);
  values.podIndex = indexOf(podLink);
  allowIpv6(link, false);
  if (ask(podSocket, filled(network.podEnd, values)) === undefined) return false;
  if (ask(hostSocket, filled(network.hostEnd, values)) === undefined) return false;
  if (network.rules !== undefined && !setRules(network.rules, values, ports)) return false;
  if (ports !== undefined) openLoopback(values.link);
  for (const [places, template] of network.program) {
    const bytes = filled(template, values);
    for (const at of places) program.set(bytes, at);
  }
  closeDescriptor(hostSocket);
  closeDescriptor(podSocket);
  return true;
}

/** Fills the holes of a template. */
export function filled({ hex, holes }: Template, values: Values): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.fromHex(hex);
  for (const [name, from, at, size] of holes) {
    bytes.set(values[name].subarray(from, from + size), at);
  }
  return bytes;
}

function openSocket(protocol: number): number {
  return syscall("open a netlink socket", "socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
}

/** `struct sockaddr_nl` of the kernel. */
const KERNEL = new Uint8Array(12);
KERNEL[0] = AF_NETLINK;

const buffer = new Uint8Array(RECEIVE_SIZE);
const received = new DataView(buffer.buffer);

/** Sends a datagram, and receives the answer. Returns the answer's size. */
function exchange(socket: number, bytes: Uint8Array): number {
  syscall("send", "sendto", socket, bytes, bytes.length, 0, KERNEL, KERNEL.length);
  return receive(socket);
}

const receive = (socket: number): number =>
  syscall("receive", "recvfrom", socket, buffer, buffer.length, MSG_DONTWAIT, 0, 0);

/** The error number of a message in the buffer; 0 for success and for messages of other types. */
const errorAt = (at: number): number =>
  received.getUint16(at + 4, true) === NLMSG_ERROR
    ? -received.getInt32(at + NLMSG_HDRLEN, true)
    : 0;

/** Sends requests of which only the last one is answered on success. Returns the answer; undefined where one failed. */
function ask(socket: number, bytes: Uint8Array): Uint8Array | undefined {
  const size = exchange(socket, bytes);
  return errorAt(0) === 0 ? buffer.slice(0, size) : undefined;
}

/** The index in an answer about a link (`struct ifinfomsg`). */
const indexOf = (answer: Uint8Array): Uint8Array =>
  answer.subarray(NLMSG_HDRLEN + 4, NLMSG_HDRLEN + 8);

/** Dumps all objects of a kind, and calls `look` for each. Returns false where the dump failed. */
function dump(socket: number, bytes: Uint8Array, look: (message: Uint8Array) => void): boolean {
  for (let size = exchange(socket, bytes);; size = receive(socket)) {
    for (let at = 0; at + NLMSG_HDRLEN <= size; at += received.getUint32(at, true) + 3 & ~3) {
      if (errorAt(at) !== 0) return false;
      if (received.getUint16(at + 4, true) === NLMSG_DONE) return true;
      look(buffer.subarray(at, at + received.getUint32(at, true)));
    }
  }
}

/** Whether a socket listens on one of the ports. Whether it is really in the way, checkListeners() finds out. */
function listensOn({ listeners, hostPorts }: PortChecks): boolean {
  const socket = openSocket(NETLINK_SOCK_DIAG);
  let found = false;
  const look = (message: Uint8Array) => {
    // Behind four bytes of `struct inet_diag_msg`: the socket's own port.
    const port = new DataView(message.buffer, message.byteOffset + NLMSG_HDRLEN + 4).getUint16(0);
    found ||= hostPorts.includes(port);
  };
  const complete = listeners.every((hex) => dump(socket, Uint8Array.fromHex(hex), look));
  closeDescriptor(socket);
  return found || !complete;
}

/** Inserts the rules, all or none. Returns false where a rule is in their way, or where there is no table. */
function setRules(
  rules: Template,
  values: { -readonly [Name in ValueName]: Uint8Array },
  ports: PortChecks | undefined,
): boolean {
  const socket = openSocket(NETLINK_NETFILTER);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (ports !== undefined) {
      const answer = ask(socket, Uint8Array.fromHex(ports.generation));
      if (answer === undefined) return false;
      // `struct nfgenmsg` and the head of the attribute `NFTA_GEN_ID`, which is the first.
      values.generation = answer.slice(NLMSG_HDRLEN + 8, NLMSG_HDRLEN + 12);
      if (!portsAreFree(socket, ports)) return false;
    }
    exchange(socket, filled(rules, values));
    const error = errorAt(0);
    if (error === 0) {
      closeDescriptor(socket);
      return true;
    }
    if (error !== ERRNO.ERESTART) return false;
  }
  return false;
}

function portsAreFree(socket: number, { others, keys }: PortChecks): boolean {
  let free = true;
  const look = (message: Uint8Array) => {
    const hex = message.toHex();
    free &&= !keys.some((key) => hex.includes(key));
  };
  return others.every((hex) => dump(socket, Uint8Array.fromHex(hex), look)) && free;
}

/** Lets answers to 127.0.0.1 come in by the veth; see loopback_access.ts. */
function openLoopback(link: Uint8Array): void {
  const name = new TextDecoder().decode(link);
  const path = `/proc/sys/net/ipv4/conf/${name}/route_localnet`;
  Deno.writeTextFileSync(path, "1", { create: false });
}

const addressText = (address: number): string => bigEndian(address).join(".");

const bigEndian = (value: number): Uint8Array =>
  new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);

function readLast(path: string): number {
  try {
    const parts = Deno.readTextFileSync(path).split(".");
    return parts.length === 4 ? parts.reduce((all, part) => all * 256 + Number(part), 0) : NaN;
  } catch {
    return NaN;
  }
}

/**
 * Reserves the next free address as host_local.ts does. The pod's record is written before, so that a crash loses nothing.
 * Undefined where all addresses are taken.
 */
function takeAddress({ range, info }: CachedNetwork, pod: RejoiningPod): number | undefined {
  const { directory, first, last, gateway } = range;
  const lock = openLockFile(`${directory}/lock`);
  try {
    lockExclusive(lock, directory);
    const note = `${directory}/last_reserved_ip.0`;
    const before = readLast(note);
    const size = last - first + 1;
    const start = before >= first && before < last ? before + 1 - first : 0;
    for (let i = 0; i < size; i++) {
      const address = first + (start + i) % size;
      const text = addressText(address);
      const file = `${directory}/${text}`;
      if (address === gateway || exists(file)) continue;
      writeRecord(pod, info.join(text));
      Deno.writeTextFileSync(file, `${pod.uuid}\r\neth0`, { createNew: true, mode: 0o600 });
      writeLast(note, text, addressText(before).length);
      return address;
    }
    return undefined;
  } finally {
    closeDescriptor(lock);
  }
}

/** Writes the pod's record as net_info.ts does. */
function writeRecord({ dataDir, uuid, podPath }: RejoiningPod, text: string): void {
  const path = `${dataDir}/networks/${uuid}`;
  Deno.writeTextFileSync(path, text, { mode: 0o640 });
  Deno.linkSync(path, `${podPath}/net-info.json`);
}

/** Writes without truncating first where it can: ext4 flushes a file that was truncated to the disk at once. */
function writeLast(note: string, text: string, before: number): void {
  if (text.length < before || !exists(note)) {
    return Deno.writeTextFileSync(note, text, { mode: 0o600 });
  }
  const file = Deno.openSync(note, { write: true });
  file.writeSync(encoder.encode(text));
  file.close();
}
