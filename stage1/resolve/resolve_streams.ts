/** The standard streams of apps, from the annotations of a pod manifest. */
import type { RuntimeApp } from "../../src/appc/pod_manifest.ts";
import { parseQuantity, wholeUnits } from "../../src/appc/quantity.ts";
import { rktAnnotationValue } from "../../src/appc/rkt_annotation.ts";
import { Failure } from "../../src/failure.ts";
import { exists } from "../../src/linux/exists.ts";
import { JOURNAL_SOCKET } from "../output/journal.ts";
import type { AppMount, PodApp, StreamMode, Streams } from "../pod.ts";
import { channels, MOST_CHANNELS } from "../output/streams.ts";

/** The words for each stream. */
export const STREAM_MODES = {
  stdin: ["inherit", "null", "tty", "stream"],
  stdout: ["inherit", "null", "log", "journal", "tty", "stream"],
  stderr: ["inherit", "null", "log", "journal", "tty", "stream"],
} as const satisfies Readonly<Record<keyof Streams, readonly StreamMode[]>>;

/** The default limit of an app's logs in bytes, and the smallest one: some records in each of two files. */
export const LOG_SIZE = 10 * 1024 ** 2;
export const LEAST_LOG_SIZE = 64 * 1024;

/**
 * Reads an amount of bytes for the logs of an app.
 *
 * @throws {Failure | AppcError}
 */
export function parseLogSize(text: string, at: string): number {
  const bytes = Number(wholeUnits(parseQuantity(text, at)));
  if (bytes < LEAST_LOG_SIZE || bytes > 2 ** 40) {
    throw new Failure(`${at}: ${text} is not from 64Ki to 1Ti`);
  }
  return bytes;
}

/**
 * Reads the size of a pod's /dev/shm.
 *
 * @returns bytes
 * @throws {Failure}
 */
export function parseSharedMemory(text: string, at: string): number {
  const bytes = Number(wholeUnits(parseQuantity(text, at)));
  if (bytes >= 4096 && bytes <= 2 ** 50) return bytes;
  throw new Failure(`${at}: ${text} is not from 4Ki to 1Pi`);
}

/**
 * An app's streams.
 *
 * @throws {Failure} if the manifest asks for something that does not exist
 */
export function appStreams({ name, annotations }: RuntimeApp): Streams {
  const mode = (stream: keyof Streams): StreamMode => {
    const asked = rktAnnotationValue(annotations, stream) ?? "inherit";
    const found = STREAM_MODES[stream].find((each) => each === asked);
    if (found !== undefined) return found;
    const all = STREAM_MODES[stream].join(", ");
    throw new Failure(`app "${name}": its ${stream} can't be "${asked}"; it is one of ${all}`);
  };
  return { stdin: mode("stdin"), stdout: mode("stdout"), stderr: mode("stderr") };
}

/** The most bytes of an app's logs. */
export function appLogSize({ name, annotations }: RuntimeApp): number {
  const text = rktAnnotationValue(annotations, "logSize");
  return text === undefined ? LOG_SIZE : parseLogSize(text, `app "${name}": log size`);
}

/**
 * Refuses a terminal to attach to if the caller's own is relayed.
 *
 * @throws {Failure}
 */
export function checkInteractive(
  apps: readonly Pick<PodApp, "name" | "streams" | "mounts">[],
): void {
  for (const { name, mounts } of apps) {
    checkTerminals(name, { stdin: "tty", stdout: "tty", stderr: "tty" }, mounts);
  }
  for (const name of ["stdin", "stdout", "stderr"] as const) {
    if (apps.every(({ streams }) => streams[name] !== "tty")) continue;
    throw new Failure(`--interactive and --${name}=tty exclude each other`);
  }
}

/**
 * Refuses a terminal of the app's own if a volume is mounted on its /dev.
 *
 * @throws {Failure}
 */
export function checkTerminals(
  app: string,
  streams: Streams,
  mounts: readonly Pick<AppMount, "place" | "volume">[],
): void {
  const volume = mounts.find(({ place }) => place === "/dev")?.volume;
  if (volume === undefined || !Object.values(streams).includes("tty")) return;
  throw new Failure(
    `app "${app}": a stream that is a terminal, and the volume "${volume}" at /dev, exclude each other`,
  );
}

/**
 * Refuses streams that this host does not have.
 *
 * @throws {Failure}
 */
export function checkStreams(
  apps: readonly { readonly name: string; readonly streams: Streams }[],
): void {
  for (const { name, streams: { stdout, stderr } } of apps) {
    if ((stdout !== "journal" && stderr !== "journal") || exists(JOURNAL_SOCKET)) continue;
    throw new Failure(
      `app "${name}": there is no journal on this host (${JOURNAL_SOCKET}); ` +
        "--stdout=log and --stderr=log keep output in the pod",
    );
  }
  if (channels(apps, { prefixed: ["stdout", "stderr"] }).length > MOST_CHANNELS) {
    throw new Failure(
      `${apps.length} apps have more than ${MOST_CHANNELS} streams of their own; ` +
        "--stdin, --stdout and --stderr can be null for some",
    );
  }
}
