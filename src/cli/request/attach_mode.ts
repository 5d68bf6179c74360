/** `rkt attach --mode`: the streams to attach to. */
import { Failure } from "../../failure.ts";
import type { Endpoint } from "../../pod/app/app_streams.ts";

/** What is connected, and in which direction. */
export interface Attachment {
  readonly input?: "stdin" | "tty";
  readonly outputs: readonly Exclude<Endpoint, "stdin">[];
}

const STREAMS: readonly string[] = ["stdin", "stdout", "stderr"];

/**
 * Reads a mode for an app.
 *
 * @param app for messages
 * @param there what the app has
 * @throws {Failure} no such mode, or the app lacks such streams
 */
export function parseAttachMode(
  mode: string,
  app: string,
  there: readonly Endpoint[],
): Attachment {
  if (there.length === 0) {
    throw new Failure(
      `app "${app}" has nothing to attach to; it has with --stdin, --stdout or --stderr of ` +
        "`rkt run` being tty or stream",
    );
  }
  if (mode === "auto") {
    return parseAttachMode(there.includes("tty") ? "tty" : there.join(), app, there);
  }
  if (mode === "tty" || mode === "tty-in" || mode === "tty-out") {
    need(app, there, "tty");
    return {
      ...mode !== "tty-out" && { input: "tty" },
      outputs: mode === "tty-in" ? [] : ["tty"],
    };
  }
  const words = mode.split(",");
  const stranger = words.find((word) => !STREAMS.includes(word));
  if (stranger !== undefined) throw unknownMode(stranger);
  for (const word of words) need(app, there, word);
  return {
    ...words.includes("stdin") && { input: "stdin" },
    outputs: (["stdout", "stderr"] as const).filter((name) => words.includes(name)),
  };
}

/** What rkt 1.30 has a stage1 image connect, each with the flag that it is told by. */
const ASKED = ["tty-in", "tty-out", ...STREAMS];

/**
 * A mode as an external stage1 image is told it. Which streams an app has, the image knows.
 *
 * @throws {Failure} no such mode
 */
export function stage1AttachWords(mode: string): readonly string[] {
  if (mode === "list") return ["--action=list"];
  if (mode === "auto") return ["--action=auto-attach"];
  const words = mode === "tty" ? ["tty-in", "tty-out"] : mode.split(",");
  const stranger = words.find((word) => !ASKED.includes(word));
  if (stranger !== undefined) throw unknownMode(stranger);
  const [terminals, streams] = [true, false].map((isTerminal) =>
    words.some((word) => STREAMS.includes(word) !== isTerminal)
  );
  if (terminals && streams) throw new Failure(`--mode: a terminal excludes other streams`);
  return ["--action=custom-attach", ...ASKED.map((each) => `--${each}=${words.includes(each)}`)];
}

const unknownMode = (word: string): Failure =>
  new Failure(
    `--mode: "${word}" is not auto, list, tty, tty-in, tty-out, or some of stdin,stdout,stderr`,
  );

function need(app: string, there: readonly Endpoint[], wanted: string): void {
  if (there.some((each) => each === wanted)) return;
  throw new Failure(`app "${app}" has no ${wanted} to attach to, but ${there.join(", ")}`);
}

/** Ctrl-P, Ctrl-Q: the keys that detach from a terminal that passes every other key on. */
const DETACH = [0x10, 0x11] as const;

/** Passes keys on, and finds the two that detach. */
export class DetachKeys {
  #held = false;

  /** The keys that are for the app. Undefined if the user has detached. */
  pass(keys: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
    const passed: number[] = [];
    for (const key of keys) {
      if (this.#held && key === DETACH[1]) return undefined;
      if (this.#held) passed.push(DETACH[0]);
      this.#held = key === DETACH[0];
      if (!this.#held) passed.push(key);
    }
    return Uint8Array.from(passed);
  }
}
