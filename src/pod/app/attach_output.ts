/** What an app writes to streams that one can attach to: read out of its log, so that the app never waits for a reader. */
import { LOGS } from "../../../stage1/output/log_files.ts";
import { LogReader } from "../logs/log_reader.ts";
import { compareTimes, type LogRecord } from "../logs/log_records.ts";
import type { PodView } from "../directory/pod_directory.ts";

/** The most bytes of earlier output that are shown on attaching: the capacity of a pipe. */
const KEPT = 64 * 1024;

type Time = Pick<LogRecord, "seconds" | "nanoseconds">;

/** The output of an app, from the first byte that nobody was attached for. */
export class AttachedOutput implements Disposable {
  readonly #reader: LogReader;
  readonly #seenPath: string;
  /** The last record of each stream that somebody has seen. */
  readonly #seen: Map<string, Time>;

  /** @param streams names of streams, as in records */
  constructor(pod: PodView, app: string, readonly streams: readonly string[]) {
    this.#reader = new LogReader(pod.path, app);
    this.#seenPath = `${pod.path}/${LOGS}/${app}.seen`;
    this.#seen = readSeen(this.#seenPath);
  }

  /** The output since the last reader, up to that limit. */
  unseen(): readonly LogRecord[] {
    const records: LogRecord[] = [];
    let size = 0;
    for (const record of this.more()) {
      const seen = this.#seen.get(record.stream);
      if (seen !== undefined && compareTimes(record, seen) <= 0) continue;
      records.push(record);
      size += record.content.length;
      while (size > KEPT) size -= records.shift()?.content.length ?? size;
    }
    for (const record of records) this.#seen.set(record.stream, record);
    return records;
  }

  /** The output since the last call. */
  *more(): Generator<LogRecord, void> {
    for (const record of this.#reader.records()) {
      if (this.streams.includes(record.stream)) yield record;
    }
  }

  /** Notes that a record was shown. */
  shown(record: LogRecord): void {
    this.#seen.set(record.stream, record);
  }

  [Symbol.dispose](): void {
    const seen = [...this.#seen].map(([stream, { seconds, nanoseconds }]) =>
      [stream, { seconds, nanoseconds }] as const
    );
    try {
      Deno.writeTextFileSync(this.#seenPath, JSON.stringify(Object.fromEntries(seen)));
    } catch {
      // Then it is shown again to the next one.
    }
    this.#reader[Symbol.dispose]();
  }
}

function readSeen(path: string): Map<string, Time> {
  try {
    const seen: Readonly<Record<string, Time>> = JSON.parse(Deno.readTextFileSync(path));
    return new Map(Object.entries(seen));
  } catch {
    return new Map(); // nobody was attached yet, or was killed while it was written
  }
}
