/** `--stdout=journal`: the app writes to a stream socket of systemd-journald. */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, struct } from "../engine/plan.ts";

/** Where journald listens for streams. */
export const JOURNAL_SOCKET = "/run/systemd/journal/stdout";

/** Where journald takes entries. */
export const JOURNAL_ENTRIES = "/run/systemd/journal/socket";

/** `LOG_INFO` of syslog(3). */
const INFO = 6;

/**
 * The first lines that a client sends (sd_journal_stream_fd(3), and `stdout_stream_line` of journald): identifier,
 * unit, priority, whether lines may begin with a priority like `<3>`, and whether to pass lines on to syslog, kmsg and
 * the console.
 */
export function streamHeader(identifier: string): string {
  return [identifier, "", INFO, 1, 0, 0, 0].map((line) => `${line}\n`).join("");
}

/**
 * Connects to journald, in the host's mount namespace.
 *
 * @param identifier names the sender in the journal: printable ASCII characters
 * @returns the socket
 */
export function connectJournal(steps: Section, what: string, identifier: string): Slot {
  const socket = slot("socket");
  const path = new TextEncoder().encode(`${JOURNAL_SOCKET}\0`);
  const address = struct("sockaddr_un", ["family", 2, k.AF_UNIX], ["path", path.length, path]);
  const header = streamHeader(identifier);
  steps.must(what, "socket", [k.AF_UNIX, k.SOCK_STREAM | k.SOCK_CLOEXEC, 0], { store: socket });
  steps.must(what, "connect", [socket, address, 2 + path.length], {
    hint: "is systemd-journald running? --stdout=log keeps output in the pod",
  });
  steps.must(what, "write", [socket, header, header.length]);
  steps.must(what, "shutdown", [socket, k.SHUT_RD]);
  return socket;
}
