/** Listening sockets of a service: made here, or handed over by whoever started it (sd_listen_fds(3)). */
import { Failure } from "../failure.ts";
import { AF_UNIX, O_NONBLOCK, SOCK_STREAM } from "../linux/constants.ts";
import { AF_INET, SOCK_CLOEXEC, SOL_SOCKET } from "../linux/early_constants.ts";
import { originalVariable } from "../linux/environment.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { closeDescriptor, setCloseOnExec } from "../linux/lock.ts";
import { syscall, trySyscall } from "../linux/syscall.ts";
import { ifThere } from "../linux/exists.ts";

/** include/uapi/asm-generic/socket.h */
const SO_REUSEADDR = 2;
/** include/uapi/asm-generic/socket.h; since Linux 6.16 */
const SO_PASSRIGHTS = 83;
/** include/uapi/asm-generic/fcntl.h */
const F_SETFL = 4;
/** Connections that wait to be accepted: what the kernel allows by default (net.core.somaxconn). */
const BACKLOG = 4096;
/** The first descriptor that a service manager hands over (sd_listen_fds(3)). */
const SD_LISTEN_FDS_START = 3;
/** Bytes of `struct sockaddr_storage` (include/uapi/linux/socket.h). */
export const SOCKADDR_BYTES = 128;

/** An address of a socket. */
export type SocketAddress =
  | { readonly family: "unix"; readonly path: string }
  | { readonly family: "ipv4" | "ipv6"; readonly address: string; readonly port: number }
  | { readonly family: "other" };

/** A socket that listens. */
export interface ListeningSocket {
  readonly fd: number;
  readonly address: SocketAddress;
  /** Whether it was handed over: then whoever did so keeps it, and its file, when this process ends. */
  readonly inherited: boolean;
}

/** Reads a `struct sockaddr_*`, as the kernel writes it. */
export function readSocketAddress(bytes: Uint8Array, length: number): SocketAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = length < 2 ? 0 : view.getUint16(0, true);
  if (family === AF_UNIX) {
    const path = bytes.subarray(2, length);
    const end = path.indexOf(0);
    return {
      family: "unix",
      path: new TextDecoder().decode(end < 0 ? path : path.subarray(0, end)),
    };
  }
  if (family === AF_INET) {
    return {
      family: "ipv4",
      port: view.getUint16(2),
      address: bytes.subarray(4, 8).join("."),
    };
  }
  if (family !== 10) return { family: "other" };
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i));
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const port = view.getUint16(2);
  if (mapped) return { family: "ipv4", port, address: bytes.subarray(20, 24).join(".") };
  return { family: "ipv6", port, address: groups.map((group) => group.toString(16)).join(":") };
}

/** A socket for streams that waits for nothing; closed on exec. */
function makeSocket(family: number): number {
  const type = SOCK_STREAM | SOCK_CLOEXEC | O_NONBLOCK;
  return syscall("make a socket", "socket", family, type, 0);
}

/**
 * Lets nobody send descriptors to a socket, nor to those that are accepted from it. Nothing here takes any, and the last one to
 * close a socket waits as long as who sent it wants (SO_LINGER of socket(7)): one app could so have all others wait. Kernels
 * before 6.16 don't know the option.
 */
function refuseDescriptors(fd: number): void {
  const off = new Uint8Array(new Uint32Array([0]).buffer);
  trySyscall("setsockopt", fd, SOL_SOCKET, SO_PASSRIGHTS, off, off.length);
}

/** `struct sockaddr_un` of a path (unix(7)). */
function unixAddress(path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  const address = new Uint8Array(3 + name.length);
  address[0] = AF_UNIX;
  address.set(name, 2);
  return address;
}

/**
 * Makes a socket of the family AF_UNIX that listens. A file that a service before has left is replaced; one that somebody
 * listens at is not.
 *
 * @param mode permissions of the file
 * @throws {Failure} where another process listens there
 */
export function listenAtPath(path: string, mode: number): ListeningSocket {
  const fd = makeSocket(AF_UNIX);
  try {
    refuseDescriptors(fd);
    removeDeadSocket(path);
    const address = unixAddress(path);
    const old = Deno.umask(0o177); // never open to others, not even for a moment
    try {
      syscall(`listen at ${path}`, "bind", fd, address, address.length);
    } finally {
      Deno.umask(old);
    }
    syscall(`listen at ${path}`, "listen", fd, BACKLOG);
    Deno.chmodSync(path, mode);
    return { fd, address: { family: "unix", path }, inherited: false };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

function removeDeadSocket(path: string): void {
  const found = ifThere(() => Deno.lstatSync(path));
  if (found === undefined) return;
  if (!found.isSocket) throw new Failure(`${path} is there, and is no socket; remove it`);
  if (somebodyListens(path)) {
    throw new Failure(`another process listens at ${path}; end it, or use it`);
  }
  Deno.removeSync(path);
}

/** Whether a connection to a socket's file would be accepted (proc_net(5) has no say: it may be another namespace's). */
function somebodyListens(path: string): boolean {
  const probe = Deno.dlopen("libc.so.6", {
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  });
  const fd = makeSocket(AF_UNIX);
  try {
    const address = unixAddress(path);
    return probe.symbols.connect(fd, address, address.length) === 0;
  } finally {
    closeDescriptor(fd);
    probe.close();
  }
}

/**
 * Makes a socket for TCP over IPv4 that listens at a port of every address.
 *
 * @throws {Failure} where the port is taken
 */
export function listenAtPort(port: number): ListeningSocket {
  const fd = makeSocket(AF_INET);
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  const on = new Uint8Array(new Uint32Array([1]).buffer);
  syscall("prepare a socket", "setsockopt", fd, SOL_SOCKET, SO_REUSEADDR, on, on.length);
  const bound = trySyscall("bind", fd, address, address.length);
  if (bound === -ERRNO.EADDRINUSE) {
    throw new Failure(
      `port ${port} is taken; end who has it, or choose another with --listen-port`,
    );
  }
  if (bound < 0) throw new KernelError(-bound, `listen at port ${port}`);
  syscall(`listen at port ${port}`, "listen", fd, BACKLOG);
  return { fd, address: addressOf(fd), inherited: false };
}

/** The address that a socket is bound to. */
function addressOf(fd: number): SocketAddress {
  const bytes = new Uint8Array(SOCKADDR_BYTES);
  const length = new Uint32Array([bytes.length]);
  const result = trySyscall("getsockname", fd, bytes, new Uint8Array(length.buffer));
  return result < 0 ? { family: "other" } : readSocketAddress(bytes, length[0] ?? 0);
}

/** The listening sockets that a service manager has handed over to this process; none where there are none. */
export function inheritedSockets(): readonly ListeningSocket[] {
  if (originalVariable("LISTEN_PID") !== `${Deno.pid}`) return [];
  const count = Number(originalVariable("LISTEN_FDS") ?? "0");
  if (!Number.isInteger(count) || count < 0 || count > 64) return [];
  return Array.from({ length: count }, (_, i) => {
    const fd = SD_LISTEN_FDS_START + i;
    setCloseOnExec(fd, true);
    // Who accepts after a poll(2) must not wait where the connection has gone meanwhile.
    syscall("prepare a socket", "fcntl", fd, F_SETFL, O_NONBLOCK);
    const address = addressOf(fd);
    if (address.family === "unix") refuseDescriptors(fd);
    return { fd, address, inherited: true };
  });
}
