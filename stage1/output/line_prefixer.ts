/**
 * `rkt-names`: several apps on one terminal. Their output goes through this process, which puts the app's name in front
 * of each line: `web | text`.
 *
 * An unfinished line is shown at once. If another app writes before the line ends, the rest of it gets a line of its
 * own.
 */
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Sections,
  slot,
  zeroSlot,
} from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import { type Chunk, runReader, type StreamReader, streamReader } from "./stream_reader.ts";
import { podChannels } from "./streams.ts";

const LINE_FEED = 10;

/** Finds the streams that are shown with names. Undefined if the pod has none. */
export function linePrefixer(pod: Pod): StreamReader | undefined {
  return streamReader("rkt-names", podChannels(pod).filter(({ kind }) => kind === "prefixed"));
}

/** Adds the process. */
export function runLinePrefixer(sections: Sections, names: StreamReader): void {
  const width = Math.max(...names.channels.map(({ app }) => app.name.length));
  const table = mutableStruct(
    "name",
    ...names.channels.flatMap(({ app, stream }): Field[] => [
      ["text", 8, `${app.name.padEnd(width)} | `],
      ["stream", 8, stream],
    ]),
  );
  runReader(sections, names, {
    table,
    recordSize: 16,
    standardStreams: true,
    watched: false,
    begin: () => {},
    handle: (chunk, done) => showLines(sections.output, width + " | ".length, chunk, done),
  });
}

function showLines(steps: Section, nameLength: number, chunk: Chunk, done: string): void {
  const { channel, buffer, length } = chunk;
  const [from, next, end] = [slot("from"), slot("next"), slot("end")];
  const [byte, difference, value] = [slot("byte"), slot("difference"), slot("value")];
  const stream = slot("stream");
  const name = slot("name");
  const unfinished = zeroSlot("unfinished");
  const last = zeroSlot("last");
  const lastStream = zeroSlot("last stream");
  const vector = mutableStruct(
    "iovec",
    ["name", 8, 0],
    ["length", 8, nameLength],
    ["text", 8, 0],
    ["length", 8, 0],
  );
  steps.compute("load", [channel], { store: name });
  steps.compute("add", [channel, 8], { store: value });
  steps.compute("load", [value], { store: stream });
  steps.set(next, addressOf(buffer));
  steps.compute("add", [next, length], { store: end });

  steps.label("names line");
  steps.compute("sub", [next, end], {
    store: difference,
    branch: { when: "equal", operand: 0, to: done },
  });
  steps.set(from, next);
  steps.label("names byte");
  steps.compute("load", [next], { store: byte });
  steps.compute("add", [next, 1], { store: next });
  steps.compute("and", [byte, 0xff], {
    store: byte,
    branch: { when: "equal", operand: LINE_FEED, to: "names piece" },
  });
  steps.compute("sub", [next, end], {
    store: difference,
    branch: { when: "different", operand: 0, to: "names byte" },
  });

  steps.label("names piece");
  steps.compute("sub", [next, from], { store: value });
  steps.compute("put", [addressOf(vector, 16), from]);
  steps.compute("put", [addressOf(vector, 24), value]);
  steps.when(unfinished, 0, "names new line");
  steps.compute("sub", [last, channel], {
    store: difference,
    branch: { when: "equal", operand: 0, to: "names same line" },
  });
  steps.attempt("end another app's line", "write", [lastStream, "\n", 1]);
  steps.label("names new line");
  steps.compute("put", [addressOf(vector), name]);
  steps.attempt("show a line with its app's name", "writev", [stream, vector, 2]);
  steps.goto("names shown");
  steps.label("names same line");
  steps.attempt("show more of the line", "write", [stream, from, value]);

  steps.label("names shown");
  steps.set(last, channel);
  steps.set(lastStream, stream);
  steps.compute("sub", [byte, LINE_FEED], { store: unfinished });
  steps.goto("names line");
}
