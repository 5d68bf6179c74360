/** The apps' output: the steps that supervisor, init and the processes beside them add to their plans. */
import type { FdSocket } from "../steps/fd_passing.ts";
import { type Section, type Sections, type Slot, slot } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import { logger, runLogger } from "./logger.ts";
import { linePrefixer, runLinePrefixer } from "./line_prefixer.ts";
import { awaitReader, readerEnded, startReader, type StreamReader } from "./stream_reader.ts";
import { openStreams, receiveStreams } from "./open_streams.ts";
import type { Streaming } from "./streams.ts";

/** Where the caller's streams are files or devices: what is in file_writer.ts and protect_streams.ts. */
export interface CallerStreamSteps {
  fileWriter(pod: Streaming): StreamReader | undefined;
  runFileWriter(sections: Sections, files: StreamReader): void;
  protectStreams(steps: Section, pod: Streaming, ownNull: boolean): void;
}

/** The processes that handle a pod's output, as the supervisor sees them. */
export interface Output {
  readonly logger?: StreamReader | undefined;
  readonly linePrefixer?: StreamReader | undefined;
  readonly fileWriter?: StreamReader | undefined;
  /** The socket through which init hands over the apps' terminals. */
  readonly fdSocket?: FdSocket | undefined;
}

const readers = ({ logger, linePrefixer, fileWriter }: Output): readonly StreamReader[] =>
  [logger, linePrefixer, fileWriter].filter((each) => each !== undefined);

/** Steps of the supervisor before it forks init. */
export function openOutput(setup: Section, pod: Pod, steps?: CallerStreamSteps): Output {
  return {
    logger: logger(pod),
    linePrefixer: linePrefixer(pod),
    fileWriter: steps?.fileWriter(pod),
    fdSocket: openStreams(setup, pod),
  };
}

/** Steps of the supervisor after it has forked init. */
export function startOutput(setup: Section, pod: Pod, output: Output, init: Slot): void {
  const failed = "no output";
  receiveStreams(setup, pod, output.fdSocket, failed);
  const all = readers(output);
  if (all.length > 0) {
    const pidfd = slot("init's pidfd");
    setup.must("refer to init", "pidfd_open", [init, 0], { store: pidfd });
    setup.keep(pidfd, "a process of the output that is made again watches it");
    for (const each of all) startReader(setup, each, pidfd);
  }
  if (output.fdSocket !== undefined) setup.label(failed);
}

/** Steps of the supervisor when a child has ended. They go on at `next` if it was one of these processes. */
export function outputEnded(steps: Section, output: Output, child: Slot, next: string): void {
  for (const each of readers(output)) readerEnded(steps, each, child, next);
}

/** Steps of the supervisor when init has ended: it waits until all output has been written. */
export function awaitOutput(steps: Section, output: Output): void {
  for (const each of readers(output)) awaitReader(steps, each);
}

/** Adds the processes themselves. */
export function runOutput(sections: Sections, output: Output, steps?: CallerStreamSteps): void {
  if (output.logger !== undefined) runLogger(sections, output.logger);
  if (output.linePrefixer !== undefined) runLinePrefixer(sections, output.linePrefixer);
  if (output.fileWriter !== undefined) steps?.runFileWriter(sections, output.fileWriter);
}
