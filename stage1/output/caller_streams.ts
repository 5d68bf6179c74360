/** What plans need where the caller's streams are files or devices. A module of its own: most starts do without. */
import { fileWriter, runFileWriter } from "./file_writer.ts";
import type { CallerStreamSteps } from "./output.ts";
import { protectStreams } from "./protect_streams.ts";

/** The steps. */
export const CALLER_STREAM_STEPS: CallerStreamSteps = { fileWriter, runFileWriter, protectStreams };
