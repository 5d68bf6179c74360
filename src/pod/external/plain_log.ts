/** The output of an app as a stage1 image keeps it: `logs/APP.stdout` and `logs/APP.stderr`, as the app has written it. */
import { LOGS } from "../../../stage1/output/log_files.ts";
import type { LogSource } from "../logs/log_reader.ts";
import type { LogRecord } from "../logs/log_records.ts";
import { ifThere } from "../../linux/exists.ts";

/** Bytes that are read at once. */
const BLOCK = 64 * 1024;

/** The log of one app. Nothing says when a piece was written: its time is that of the last change of its file. */
export class PlainLog implements LogSource {
  readonly #files: readonly { readonly stream: string; readonly path: string; offset: number }[];

  /** @param podPath the pod's directory */
  constructor(podPath: string, readonly app: string) {
    this.#files = ["stdout", "stderr"].map((stream) => ({
      stream,
      path: `${podPath}/${LOGS}/${app}.${stream}`,
      offset: 0,
    }));
  }

  *records(): Generator<LogRecord, void> {
    for (const each of this.#files) {
      for (const record of readFrom(each.path, each.offset, each.stream)) {
        each.offset += record.size;
        yield record;
      }
    }
  }

  [Symbol.dispose](): void {}
}

function* readFrom(path: string, start: number, stream: string): Generator<LogRecord, void> {
  const file = ifThere(() => Deno.openSync(path));
  if (file === undefined) return;
  try {
    file.seekSync(start, Deno.SeekMode.Start);
    while (true) {
      // A buffer for each block: whoever took a record may still hold it.
      const block = new Uint8Array(BLOCK);
      const size = file.readSync(block) ?? 0;
      if (size === 0) return;
      const changed = file.statSync().mtime?.getTime() ?? 0;
      yield {
        seconds: Math.floor(changed / 1000),
        nanoseconds: (changed % 1000) * 1e6,
        stream,
        content: block.subarray(0, size),
        size,
      };
    }
  } finally {
    file.close();
  }
}
