/**
 * Descriptors that a service manager has passed to this process: sd_listen_fds_with_names(3), systemd.socket(5). What the
 * variables say of them is looked at, because anybody can set variables.
 */
import { FIRST_PASSED } from "../../../stage1/pod.ts";
import { Failure } from "../../failure.ts";
import { originalVariable } from "../../linux/environment.ts";
import { setCloseOnExec } from "../../linux/lock.ts";
import { STATX } from "../../linux/statx.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import type { IpAddress } from "../../net/model/address.ts";
import { TYPE_MASK } from "../../../stage1/launcher/condition.ts";
import type { World } from "../world.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  AT_EMPTY_PATH,
  F_GETFD,
  FD_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_SOCKET,
  STATX_BASIC_STATS,
} from "../../linux/constants.ts";

/** A descriptor, and what is bound to it. */
export interface PassedDescriptor {
  /** Counted from 0: the descriptor is {@linkcode FIRST_PASSED} and this. */
  readonly number: number;
  /** `FileDescriptorName=`; absent where the service manager names none. */
  readonly name?: string | undefined;
  readonly kind: "tcp" | "udp" | "unix" | "netlink" | "FIFO" | "other";
  /** Its own address, where it is of TCP or UDP. */
  readonly address?: { readonly ip: IpAddress; readonly port: number } | undefined;
  /** Whether there being something to read means that somebody calls; not so for a connection that is made already. */
  readonly waits: boolean;
}

/** So many have room below the descriptors that plans choose; systemd passes fewer than that. */
const MOST = 128;

// include/uapi/asm-generic/socket.h, include/uapi/linux/in.h
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

// inode(7)
const S_IFIFO = 0o010000;
const S_IFSOCK = 0o140000;

/**
 * The descriptors. None of them reaches a program that rkt runs for itself: they are closed on exec from now on.
 *
 * @param world notes what was asked and answered
 * @throws {Failure} the variables speak of descriptors that are not there
 */
export function passedDescriptors(world: World): readonly PassedDescriptor[] {
  const text = originalVariable("LISTEN_FDS") ?? "";
  const count = /^[0-9]{1,6}$/.test(text) ? Number(text) : NaN;
  if (!(count <= MOST)) {
    throw new Failure(
      `LISTEN_FDS=${text}: a service manager passes a number of descriptors, ${MOST} at most`,
    );
  }
  const names = fdNames(count);
  world.note({ kind: "own PID", variable: "LISTEN_PID" });
  return Array.from({ length: count }, (_, number) => {
    const fd = FIRST_PASSED + number;
    // One of rkt's own would be closed on exec.
    const flags = trySyscall("fcntl", fd, F_GETFD, 0);
    if (flags < 0 || (flags & FD_CLOEXEC) !== 0) {
      throw new Failure(
        `LISTEN_FDS=${count}, but descriptor ${fd} was not passed; what stands between the service manager and rkt has closed it`,
      );
    }
    setCloseOnExec(fd, true);
    return { number, name: names?.[number], ...describe(fd, world) };
  });
}

/** A name as systemd takes it: printable ASCII without a colon, at most 255 bytes. */
const NAME = /^[\x20-\x39\x3b-\x7e]{1,255}$/;

function fdNames(count: number): readonly string[] | undefined {
  const text = originalVariable("LISTEN_FDNAMES");
  if (text === undefined) return undefined;
  const names = text.split(":");
  if (names.length === count && names.every((name) => NAME.test(name))) return names;
  throw new Failure(
    `LISTEN_FDNAMES=${JSON.stringify(text)} does not name ${count} descriptors, as LISTEN_FDS says`,
  );
}

type Description = Pick<PassedDescriptor, "kind" | "address" | "waits">;

function describe(fd: number, world: World): Description {
  const status = new Uint8Array(STATX.bytes);
  const failed = trySyscall("statx", fd, cstring(""), AT_EMPTY_PATH, STATX_BASIC_STATS, status);
  const mode = failed < 0 ? 0 : new DataView(status.buffer).getUint16(STATX.mode, true);
  const type = mode & TYPE_MASK;
  world.note({ kind: "descriptor", fd, type });
  switch (type) {
    case S_IFIFO:
      return { kind: "FIFO", waits: true };
    case S_IFSOCK:
      return describeSocket(fd, world);
    default:
      return { kind: "other", waits: false };
  }
}

function describeSocket(fd: number, world: World): Description {
  const domain = option(world, fd, SO_DOMAIN);
  const waits = option(world, fd, SO_ACCEPTCONN) === 1 ||
    [SOCK_DGRAM, SOCK_RAW].includes(option(world, fd, SO_TYPE));
  if (domain === AF_UNIX) return { kind: "unix", waits };
  if (domain === AF_NETLINK) return { kind: "netlink", waits };
  if (domain !== AF_INET && domain !== AF_INET6) return { kind: "other", waits };
  const protocol = option(world, fd, SO_PROTOCOL);
  const kind = protocol === IPPROTO_TCP ? "tcp" : protocol === IPPROTO_UDP ? "udp" : "other";
  return { kind, waits, address: boundTo(world, fd, domain) };
}

function option(world: World, fd: number, name: number): number {
  const value = new Int32Array(1);
  const size = new Uint8Array(new Uint32Array([4]).buffer);
  const bytes = new Uint8Array(value.buffer);
  if (trySyscall("getsockopt", fd, SOL_SOCKET, name, bytes, size) < 0) {
    world.cannotRepeat(`descriptor ${fd} is a socket that does not say what it is`);
    return -1;
  }
  const [answer = -1] = value;
  world.note({ kind: "socket option", fd, option: name, value: answer });
  return answer;
}

/** Where the address stands in `struct sockaddr_in` and `sockaddr_in6`; the port is in front of it in both. */
const ADDRESS = { [AF_INET]: [4, 8], [AF_INET6]: [8, 24] } as const;
const PORT = 2;

function boundTo(
  world: World,
  fd: number,
  domain: typeof AF_INET | typeof AF_INET6,
): PassedDescriptor["address"] {
  const bytes = new Uint8Array(128);
  const size = new Uint8Array(new Uint32Array([bytes.length]).buffer);
  if (trySyscall("getsockname", fd, bytes, size) < 0) {
    world.cannotRepeat(`descriptor ${fd} has no address`);
    return undefined;
  }
  const [length = 0] = new Uint32Array(size.buffer);
  world.note({ kind: "socket name", fd, bytes: bytes.slice(0, length) });
  const ip = bytes.slice(...ADDRESS[domain]);
  return { ip: unmapped(ip), port: new DataView(bytes.buffer).getUint16(PORT) };
}

/** An address of IPv4 in one of IPv6, `::ffff:a.b.c.d`, is what it is of IPv4. */
function unmapped(ip: IpAddress): IpAddress {
  const mapped = ip.length === 16 && ip.subarray(0, 10).every((byte) => byte === 0) &&
    ip[10] === 0xff && ip[11] === 0xff;
  return mapped ? ip.slice(12) : ip;
}
