/** While images are fetched and prepared, the service manager is asked for patience: `EXTEND_TIMEOUT_USEC` of sd_notify(3). */
import { closeDescriptor } from "../../linux/lock.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "../../linux/constants.ts";

/** How often it is asked, and for how long, in milliseconds: longer than anything that does not let timers run. */
const INTERVAL = 2000;
const PATIENCE = 30_000;

const MESSAGE = `STATUS=fetching and preparing images\nEXTEND_TIMEOUT_USEC=${PATIENCE * 1000}`;

/**
 * Does something that may take long.
 *
 * @param socket where the service manager listens: a path, or an abstract name behind `@`
 */
export async function extendTimeout<T>(socket: string, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => tell(socket, MESSAGE), INTERVAL);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Sends a message. Nobody is there to hear that it failed. */
function tell(socket: string, message: string): void {
  const name = socket.startsWith("@") ? `\0${socket.slice(1)}` : `${socket}\0`;
  const address = new Uint8Array([AF_UNIX, 0, ...new TextEncoder().encode(name)]);
  const bytes = new TextEncoder().encode(message);
  const fd = trySyscall("socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  trySyscall("sendto", fd, bytes, bytes.length, 0, address, address.length);
  closeDescriptor(fd);
}
