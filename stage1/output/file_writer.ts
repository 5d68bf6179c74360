/**
 * `rkt-files`: writes the apps' output where the caller's output is a file. The apps get pipes.
 *
 * A descriptor of a file gives an app more than to add to it: ftruncate(2) empties the file, fcntl(2) takes O_APPEND away, and
 * root opens it anew by /proc/self/fd/1. So what was to be kept of an app (`>> audit.log`) would be the app's to change.
 */
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Sections,
  slot,
} from "../engine/plan.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { type Chunk, runReader, type StreamReader, streamReader } from "./stream_reader.ts";
import { podChannels, type Streaming } from "./streams.ts";

/** Finds the streams that go into files. Undefined if the pod has none. */
export function fileWriter(pod: Streaming): StreamReader | undefined {
  return streamReader("rkt-files", podChannels(pod).filter(({ kind }) => kind === "file"));
}

/**
 * Adds the process.
 *
 * @param watched see {@linkcode runReader}
 */
export function runFileWriter(sections: Sections, files: StreamReader, watched = false): void {
  const table = mutableStruct(
    "stream",
    ...files.channels.map(({ stream }): Field => ["stream", 8, stream]),
  );
  runReader(sections, files, {
    table,
    recordSize: 8,
    standardStreams: true,
    watched,
    begin: () => {},
    handle: (chunk, done) => writeAll(sections.output, chunk, done),
  });
}

/** Writes a chunk. What a full disk has no room for is lost, as in logs. */
function writeAll(steps: Section, { channel, buffer, length }: Chunk, done: string): void {
  const stream = slot("stream");
  const from = slot("from");
  const left = slot("left");
  const written = slot("written");
  steps.compute("load", [channel], { store: stream });
  steps.set(from, addressOf(buffer));
  steps.compute("sub", [length, 0], { store: left });
  steps.label("files write");
  steps.attempt("write it into the caller's file", "write", [stream, from, left], {
    store: written,
    branch: { when: "equal", operand: -ERRNO.EINTR, to: "files write" },
  });
  steps.compute("let", [written], { branch: { when: "less", operand: 1, to: done } });
  steps.compute("add", [from, written], { store: from });
  steps.compute("sub", [left, written], {
    store: left,
    branch: { when: "different", operand: 0, to: "files write" },
  });
  steps.goto(done);
}
