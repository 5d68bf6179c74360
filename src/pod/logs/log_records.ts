/** The records of an app's log, as stage1/output/logger.ts writes them. */
import { RECORD_HEADER } from "../../../stage1/output/log_files.ts";
import { CHUNK } from "../../../stage1/output/stream_reader.ts";

/** The streams, by their numbers in records. */
export const LOG_STREAMS: readonly string[] = ["", "stdout", "stderr", "tty"];

/** What an app has written at once. */
export interface LogRecord {
  /** Seconds since 1970, and the nanoseconds of the second. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** One of {@linkcode LOG_STREAMS}. */
  readonly stream: string;
  readonly content: Uint8Array<ArrayBuffer>;
  /** Bytes of the record in its file. */
  readonly size: number;
}

/**
 * The record at the beginning of some bytes; undefined where it is not there as a whole.
 *
 * A file ends with a part of a record only where its writer was killed, or is just writing.
 */
export function parseRecord(bytes: Uint8Array<ArrayBuffer>): LogRecord | undefined {
  if (bytes.length < RECORD_HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const seconds = Number(view.getBigUint64(0, true));
  const nanoseconds = Number(view.getBigUint64(8, true));
  const length = view.getUint32(16, true);
  const stream = LOG_STREAMS[view.getUint32(20, true)];
  const sound = nanoseconds < 1e9 && length >= 1 && length <= CHUNK && seconds < 2 ** 40;
  if (!sound || stream === undefined || stream === "") return undefined;
  const size = RECORD_HEADER + length;
  if (bytes.length < size) return undefined;
  return { seconds, nanoseconds, stream, content: bytes.subarray(RECORD_HEADER, size), size };
}

/** Which of two records is the older one: negative where it is the first. */
export function compareTimes(
  a: Pick<LogRecord, "seconds" | "nanoseconds">,
  b: Pick<LogRecord, "seconds" | "nanoseconds">,
): number {
  return a.seconds - b.seconds || a.nanoseconds - b.nanoseconds;
}

/** The second whose text was asked for last: lines come in the order of their times, many in a second. */
let last = { seconds: NaN, text: "" };

/** A time as RFC 3339 has it, to the nanosecond, in UTC. */
export function recordTime({ seconds, nanoseconds }: LogRecord): string {
  if (last.seconds !== seconds) {
    last = { seconds, text: new Date(seconds * 1000).toISOString().slice(0, 19) };
  }
  return `${last.text}.${String(nanoseconds).padStart(9, "0")}Z`;
}
