/**
 * Accepts connections by system calls, so that a connection's descriptor is known before anybody speaks: the kernel says by
 * it who is at the other end.
 */
import { O_NONBLOCK, POLLIN } from "../linux/constants.ts";
import { SOCK_CLOEXEC } from "../linux/early_constants.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { syscall, trySyscall } from "../linux/syscall.ts";
import {
  type ListeningSocket,
  readSocketAddress,
  SOCKADDR_BYTES,
  type SocketAddress,
} from "./listening.ts";

/** Bytes of `struct pollfd` (include/uapi/asm-generic/poll.h). */
const POLLFD = 8;
/** Milliseconds until the next attempt, where there are no descriptors left. */
const REST = 20;

/** A connection that was accepted. Whoever gets it has to close it. */
export interface Connection {
  readonly fd: number;
  readonly peer: SocketAddress;
}

/** Takes the connections of a socket. */
export interface Listener {
  readonly socket: ListeningSocket;
  accepted(connection: Connection): void;
}

/** Accepts the connections of several sockets until it is told to stop. */
export class Acceptor {
  readonly #wake = syscall("make an eventfd", "eventfd2", 0, SOCK_CLOEXEC);
  readonly #listeners: readonly Listener[];
  #stopped = false;

  constructor(listeners: readonly Listener[]) {
    this.#listeners = listeners;
  }

  /** Accepts until {@linkcode stop}; what waits in the sockets' queues then is for the next service. */
  async run(): Promise<void> {
    const libc = Deno.dlopen("libc.so.6", {
      poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
    });
    const fds = [this.#wake, ...this.#listeners.map(({ socket }) => socket.fd)];
    while (!this.#stopped) {
      const polled = new Uint8Array(POLLFD * fds.length);
      const view = new DataView(polled.buffer);
      fds.forEach((fd, i) => {
        view.setInt32(POLLFD * i, fd, true);
        view.setInt16(POLLFD * i + 4, POLLIN, true);
      });
      if (await libc.symbols.poll(polled, BigInt(fds.length), -1) <= 0) continue;
      let failed = false;
      this.#listeners.forEach((listener, i) => {
        if (this.#stopped || view.getInt16(POLLFD * (i + 1) + 6, true) === 0) return;
        failed = !acceptOne(listener) || failed;
      });
      // Without a descriptor to accept by, poll(2) would return at once again and again.
      if (failed) await new Promise((resolve) => setTimeout(resolve, REST));
    }
    libc.close();
    closeDescriptor(this.#wake);
  }

  /** Accepts no more. */
  stop(): void {
    this.#stopped = true;
    trySyscall("write", this.#wake, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  }
}

function acceptOne({ socket, accepted }: Listener): boolean {
  const bytes = new Uint8Array(SOCKADDR_BYTES);
  const length = new Uint32Array([bytes.length]);
  const flags = SOCK_CLOEXEC | O_NONBLOCK;
  const fd = trySyscall("accept4", socket.fd, bytes, new Uint8Array(length.buffer), flags);
  if (fd < 0) return false;
  accepted({ fd, peer: readSocketAddress(bytes, length[0] ?? 0) });
  return true;
}
