/** Reads an app's log from its older file into the current one, and on as it grows and is rotated. */
import { logPath } from "../../../stage1/output/log_files.ts";
import { compareTimes, type LogRecord, parseRecord } from "./log_records.ts";

/** Bytes that are read at once; more than a record. */
const BLOCK = 256 * 1024;

/** A file of a log that is being read. */
class LogFile implements Disposable {
  #offset = 0;

  private constructor(readonly file: Deno.FsFile, readonly inode: number) {}

  static open(path: string): LogFile | undefined {
    try {
      const file = Deno.openSync(path);
      return new LogFile(file, file.statSync().ino ?? 0);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** The whole records behind the offset; the offset moves behind each one that is taken. */
  *records(): Generator<LogRecord, void> {
    while (true) {
      // A buffer for each block: whoever took a record may still hold it.
      let block: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK);
      this.file.seekSync(this.#offset, Deno.SeekMode.Start);
      block = block.subarray(0, this.file.readSync(block) ?? 0);
      let at = 0;
      while (true) {
        const record = parseRecord(block.subarray(at));
        if (record === undefined) break;
        at += record.size;
        this.#offset += record.size;
        yield record;
      }
      if (at === 0) return;
    }
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

/** What an app has logged, in pieces. */
export interface LogSource extends Disposable {
  readonly app: string;
  /** All whole records that are there and were not taken yet. */
  records(): Generator<LogRecord, void>;
}

/** The log of one app. */
export class LogReader implements LogSource {
  readonly #path: string;
  /** Read one after the other; the last one is being written. */
  #files: LogFile[] = [];

  /** @param podPath the pod's directory */
  constructor(podPath: string, readonly app: string) {
    this.#path = `${podPath}/${logPath(app)}`;
    this.#open(`${podPath}/${logPath(app, true)}`);
  }

  #open(olderPath: string): void {
    const current = LogFile.open(this.#path);
    const older = LogFile.open(olderPath);
    // It was rotated between the two: what was older is gone.
    if (older !== undefined && older.inode === current?.inode) older[Symbol.dispose]();
    else if (older !== undefined) this.#files.push(older);
    if (current !== undefined) this.#files.push(current);
  }

  /** All whole records that are there and were not taken yet. */
  *records(): Generator<LogRecord, void> {
    while (true) {
      const [file, next] = this.#files;
      if (file !== undefined) yield* file.records();
      if (next === undefined && !this.#rotated(file)) return;
      if (file !== undefined) {
        yield* file.records(); // what came between the two looks
        this.#files.shift();
        file[Symbol.dispose]();
      }
    }
  }

  /** Whether there is a newer file than the one that is read; it is opened then. */
  #rotated(file: LogFile | undefined): boolean {
    const current = LogFile.open(this.#path);
    if (current === undefined) return false;
    if (current.inode === file?.inode) {
      current[Symbol.dispose]();
      return false;
    }
    this.#files.push(current);
    return true;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
    this.#files = [];
  }
}

/** Records of several apps, in the order of their times; each with its app. */
export function* merged(
  readers: readonly LogSource[],
): Generator<{ readonly app: string; readonly record: LogRecord }, void> {
  const heads = readers.map((reader) => {
    const records = reader.records();
    return { app: reader.app, records, record: records.next().value };
  });
  while (true) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.record === undefined) continue;
      if (first?.record === undefined || compareTimes(head.record, first.record) < 0) first = head;
    }
    if (first?.record === undefined) return;
    yield { app: first.app, record: first.record };
    first.record = first.records.next().value;
  }
}
