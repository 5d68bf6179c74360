/** How far downloads are: a bar each on a terminal, a line each at start and end otherwise. */
import { printableLine } from "../linux/printable.ts";

/** Shows downloads. Disposing ends the display. */
export interface Progress extends Disposable {
  /** A download begins. */
  start(name: string): ProgressBar;
}

/** Shows one download. */
export interface ProgressBar {
  /** Bytes so far, and in all if that is known. */
  update(received: number, total: number | undefined): void;
  /** It is over; how it ended is said by somebody else. */
  end(): void;
}

/** How often a terminal is written to. Milliseconds. */
const REFRESH = 100;

const UNITS: readonly string[] = ["B", "KiB", "MiB", "GiB", "TiB"];

function sizeText(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  while (amount >= 1024 && unit < UNITS.length - 1) [amount, unit] = [amount / 1024, unit + 1];
  return `${amount.toFixed(unit === 0 || amount >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

interface Line {
  readonly name: string;
  received: number;
  total: number | undefined;
  readonly since: number;
}

/** A line of a given width: name, bar, sizes, speed. */
export function progressLine(line: Line, columns: number, now: number): string {
  const { name, received, total } = line;
  const seconds = Math.max((now - line.since) / 1000, 0.001);
  const speed = `${sizeText(received / seconds)}/s`;
  const sizes = total === undefined
    ? sizeText(received)
    : `${sizeText(received)}/${sizeText(total)}`;
  const right = ` ${sizes.padStart(21)} ${speed.padStart(12)}`;
  const room = Math.max(columns - right.length - 1, 10);
  const barWidth = total === undefined ? 0 : Math.min(30, Math.floor(room / 2));
  const done = total === undefined || total === 0 ? 0 : Math.round(barWidth * received / total);
  const bar = barWidth < 5 ? "" : ` [${"=".repeat(done).padEnd(barWidth)}]`;
  const nameRoom = room - bar.length;
  // The end of a URL tells more than its beginning.
  const shown = name.length <= nameRoom ? name : `…${name.slice(name.length - nameRoom + 1)}`;
  return (shown.padEnd(nameRoom) + bar + right).slice(0, columns - 1);
}

/** Bars on a terminal: one line a download, drawn over again as bytes arrive. */
export function terminalProgress(
  write: (text: string) => void,
  columns: () => number,
  now: () => number = () => performance.now(),
): Progress & { readonly message: (line: string) => void } {
  const lines: Line[] = [];
  let [drawn, last] = [0, -REFRESH];
  // \x1b[A goes up a line, \x1b[J clears from there down.
  const clear = () => (drawn === 0 ? "" : `\r\x1b[${drawn}A\x1b[J`);
  const draw = (before = "") => {
    const text = lines.map((line) => progressLine(line, columns(), now()) + "\n").join("");
    const cleared = clear();
    drawn = lines.length;
    if (cleared + before + text !== "") write(cleared + before + text);
  };
  return {
    start(name) {
      const line: Line = { name: printableLine(name), received: 0, total: undefined, since: now() };
      lines.push(line);
      draw();
      return {
        update(received, total) {
          [line.received, line.total] = [received, total];
          if (now() - last < REFRESH) return;
          last = now();
          draw();
        },
        end() {
          const at = lines.indexOf(line);
          if (at < 0) return;
          const text = progressLine(line, columns(), now());
          lines.splice(at, 1);
          draw(`${text}\n`);
        },
      };
    },
    message: (text) => draw(`${text}\n`),
    [Symbol.dispose]: () => {
      lines.length = 0;
      draw();
    },
  };
}

/** Lines for logs: nothing that moves. */
export function quietProgress(message: (line: string) => void): Progress {
  return {
    start(name) {
      message(`downloading ${printableLine(name)}`);
      return { update() {}, end() {} };
    },
    [Symbol.dispose]: () => {},
  };
}
