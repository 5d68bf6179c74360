/**
 * Netlink sockets: requests to the kernel's networking, and its answers (netlink(7)).
 *
 * A socket belongs to the network namespace in which it was opened, whatever becomes of the thread; see namespace.ts.
 */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { ERRNO, errnoText, KernelError } from "../../linux/errno.ts";
import { syscall, trySyscall } from "../../linux/syscall.ts";
import {
  attributes,
  decode,
  encode,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_MULTI,
  readText,
  type Received,
} from "./message.ts";
import {
  AF_NETLINK,
  MSG_DONTWAIT,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  RECEIVE_SIZE,
  SOCK_CLOEXEC,
  SOCK_RAW,
} from "./netlink_numbers.ts";
import { SOL_SOCKET } from "../../linux/early_constants.ts";

// include/uapi/linux/netlink.h
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLM_F_DUMP_INTR = 0x10;
const NLMSGERR_ATTR_MSG = 1;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

// include/uapi/asm-generic/socket.h
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
// include/linux/socket.h
const MSG_TRUNC = 0x20;

/** The kernel refused a request. */
export class NetlinkError extends KernelError {
  override readonly name = "NetlinkError";

  /** @param explanation the kernel's own words, where it has any */
  constructor(errno: number, doing: string, readonly explanation?: string) {
    super(errno, doing);
    if (explanation !== undefined && explanation !== "") {
      this.message = `${doing}: ${errnoText(errno)}: ${explanation}`;
    }
  }
}

/** A request, and words for errors about it: `add link veth0`. */
export interface Request {
  readonly doing: string;
  readonly message: Message;
}

/** A netlink socket. */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  #sequence = 0;
  readonly #buffer = new Uint8Array(RECEIVE_SIZE);

  /**
   * Opens a socket in the network namespace of this thread.
   *
   * @param protocol `NETLINK_ROUTE` or `NETLINK_NETFILTER`
   */
  constructor(protocol: number) {
    const type = SOCK_RAW | SOCK_CLOEXEC;
    this.#fd = syscall("open a netlink socket", "socket", AF_NETLINK, type, protocol);
    // Without these the kernel gives no reasons, or repeats the whole request; kernels before 4.12 lack them.
    this.#option(SOL_NETLINK, NETLINK_EXT_ACK, 1);
    this.#option(SOL_NETLINK, NETLINK_CAP_ACK, 1);
  }

  /** Enlarges the socket's buffers for requests and answers of up to `size` bytes. */
  growBuffers(size: number): void {
    this.#option(SOL_SOCKET, SO_SNDBUFFORCE, size);
    this.#option(SOL_SOCKET, SO_RCVBUFFORCE, size);
  }

  /**
   * Makes a request, and waits for the kernel to acknowledge it.
   *
   * @returns the answers before the acknowledgement: with `NLM_F_ECHO`, or to a question about one object
   * @throws {NetlinkError}
   */
  request(doing: string, message: Message): readonly Received[] {
    return this.requests([{ doing, message }]);
  }

  /**
   * Makes several requests in one datagram. Each is done for itself, also where an earlier one failed.
   *
   * @returns the kernel's answers, without acknowledgements
   * @throws {NetlinkError} of the first that failed, when all have been answered
   */
  requests(all: readonly Request[]): readonly Received[] {
    if (all.length === 0) return [];
    const first = this.#number(all.length);
    const parts = all.map(({ message }, i) => encode(acknowledged(message), first + i));
    this.send(all[0]?.doing ?? "", concat(...parts));
    return this.#answers(all, first);
  }

  /**
   * Asks about one object.
   *
   * @throws {NetlinkError} among others where there is no such object
   */
  ask(question: Request): Received {
    const [answer] = this.requests([question]);
    if (answer === undefined) throw new Error(`${question.doing}: the kernel gave no answer`);
    return answer;
  }

  /**
   * Makes requests of nfnetlink that are done all or not at all.
   *
   * @param begin `NFNL_MSG_BATCH_BEGIN`
   * @param end `NFNL_MSG_BATCH_END`
   * @returns the kernel's answers, without acknowledgements
   * @throws {NetlinkError} of the first that failed; then nothing has changed
   */
  batch(begin: Message, all: readonly Request[], end: Message): readonly Received[] {
    const start = this.#number(all.length + 2);
    const bytes = concat(
      encode(begin, start),
      ...all.map(({ message }, i) => encode(acknowledged(message), start + 1 + i)),
      encode(end, start + 1 + all.length),
    );
    // An acknowledgement takes about 800 bytes of the buffer.
    const size = Math.max(bytes.length, all.length << 10);
    if (size > 1 << 16) this.growBuffers(size << 1);
    this.send(all[0]?.doing ?? "", bytes);
    return this.#answers(all, start + 1);
  }

  /** Reserves `count` sequence numbers. Returns the first one. */
  #number(count: number): number {
    const first = this.#sequence + 1;
    this.#sequence += count;
    return first;
  }

  /** Waits until all requests are answered. An answer to no request means that the whole batch has failed. */
  #answers(all: readonly Request[], first: number): readonly Received[] {
    const doing = all[0]?.doing ?? "";
    const answers: Received[] = [];
    let open = all.length;
    let failed: NetlinkError | undefined;
    while (open > 0) {
      for (const received of this.receive(doing)) {
        if (received.type !== NLMSG_ERROR) {
          answers.push(received);
          continue;
        }
        const asked = all[received.sequence - first];
        failed ??= answerError(received, asked?.doing ?? doing);
        open = asked === undefined ? 0 : open - 1;
      }
    }
    if (failed !== undefined) throw failed;
    return answers;
  }

  /**
   * Asks for all objects of a kind.
   *
   * @throws {NetlinkError}
   */
  dump(doing: string, message: Message): readonly Received[] {
    while (true) {
      const parts = this.#dumpOnce(doing, message);
      if (parts !== undefined) return parts;
    }
  }

  /** Undefined where something changed meanwhile, so that the parts may not fit. */
  #dumpOnce(doing: string, message: Message): readonly Received[] | undefined {
    const sequence = this.#number(1);
    this.send(doing, encode({ ...message, flags: message.flags | NLM_F_DUMP }, sequence));
    const parts: Received[] = [];
    let consistent = true;
    while (true) {
      for (const received of this.receive(doing)) {
        if (received.sequence !== sequence) continue;
        if ((received.flags & NLM_F_DUMP_INTR) !== 0) consistent = false;
        if (received.type === NLMSG_ERROR || received.type === NLMSG_DONE) {
          const error = answerError(received, doing);
          if (error !== undefined) throw error;
          return consistent ? parts : undefined;
        }
        parts.push(received);
        if ((received.flags & NLM_F_MULTI) === 0) return parts;
      }
    }
  }

  /** Sends a datagram of encoded messages. */
  send(doing: string, bytes: Bytes): void {
    const kernel = new Uint8Array(12); // struct sockaddr_nl: the port 0 is the kernel's
    new DataView(kernel.buffer).setUint16(0, AF_NETLINK, true);
    const sent = syscall(doing, "sendto", this.#fd, bytes, bytes.length, 0, kernel, kernel.length);
    if (sent !== bytes.length) throw new KernelError(ERRNO.ENOBUFS, doing);
  }

  /** Receives a datagram, which must be there: the kernel answers before `sendto` returns. */
  receive(doing: string): readonly Received[] {
    while (true) {
      const buffer = this.#buffer;
      const flags = MSG_TRUNC | MSG_DONTWAIT;
      const size = trySyscall("recvfrom", this.#fd, buffer, buffer.length, flags, 0, 0);
      if (size === -ERRNO.EINTR) continue;
      if (size < 0) throw new KernelError(-size, doing);
      if (size > buffer.length) throw new RangeError(`${doing}: an answer of ${size} bytes`);
      return decode(buffer.slice(0, size));
    }
  }

  #option(level: number, option: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, value, true);
    trySyscall("setsockopt", this.#fd, level, option, bytes, bytes.length);
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    trySyscall("close", this.#fd);
  }
}

/** A message that the kernel acknowledges. */
export const acknowledged = (message: Message): Message => ({
  ...message,
  flags: message.flags | NLM_F_ACK,
});

/** What an acknowledgement says: undefined where all went well. */
function answerError({ body, flags }: Received, doing: string): NetlinkError | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const errno = body.length < 4 ? 0 : -view.getInt32(0, true);
  if (errno === 0) return undefined;
  if ((flags & NLM_F_ACK_TLVS) === 0) return new NetlinkError(errno, doing);
  // Behind the error number: the request's header, and unless that is all, the request; only then the reasons.
  const quoted = (flags & NLM_F_CAPPED) !== 0 || body.length < 8
    ? NLMSG_HDRLEN
    : (view.getUint32(4, true) + 3) & ~3;
  const reason = attributes(body.subarray(4 + quoted)).get(NLMSGERR_ATTR_MSG);
  return new NetlinkError(errno, doing, reason === undefined ? undefined : readText(reason));
}
