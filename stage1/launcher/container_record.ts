/**
 * What the launcher knows of an OCI container: a file beside its state, from which `state`, `start`, `kill` and `delete` are
 * done before Deno exists. It is written once, when the container is made; what changes stands in files of its own.
 */
import { writeWord } from "../engine/part.ts";
import { ENTRY_ADDRESS } from "./start_entry.ts";

/** The name of the file in the container's directory, and its mode with its type. */
export const CONTAINER_RECORD = "launcher";
export const CONTAINER_RECORD_MODE = 0o100600;

/** The first eight bytes; the digit changes with the form. */
export const CONTAINER_MAGIC: bigint = new DataView(new TextEncoder().encode("rktcont1").buffer)
  .getBigUint64(0, true);

/** More bytes the launcher does not map. */
export const MOST_RECORD_BYTES = 0x10_0000;

/** A container has no more cgroups than this; with more of them `delete` is Deno's. */
const MOST_CGROUPS = 32;

/** The fields, eight bytes each, by their offsets. Addresses are those of the file as it is mapped. */
export const CONTAINER = {
  magic: 0,
  /** Bytes of the file. */
  size: 8,
  /** 1 where nothing has to be done at a start but to let the process go on. */
  startsAlone: 16,
  /** 1 where nothing has to be done at the end but to remove cgroups and files. */
  endsAlone: 24,
  /** The state as `state` prints it, in three texts: the PID stands behind the first, the status behind the second. */
  beforePid: 32,
  beforePidSize: 40,
  beforeStatus: 48,
  beforeStatusSize: 56,
  afterStatus: 64,
  afterStatusSize: 72,
  /** The path of the file that says whether the container is paused; 0 where there is none. */
  freezer: 80,
  /** Paths of directories of cgroups, each ending with a NUL, and their number. */
  cgroups: 88,
  count: 96,
  bytes: 104,
} as const;

/** What a record says. */
export interface LauncherRecord {
  readonly startsAlone: boolean;
  readonly endsAlone: boolean;
  /** See {@linkcode CONTAINER.beforePid}. */
  readonly state: readonly [beforePid: string, beforeStatus: string, afterStatus: string];
  readonly freezer: string | undefined;
  /** Those that the container's end removes. */
  readonly cgroups: readonly string[];
}

/** The bytes of a record. */
export function launcherRecordBytes(record: LauncherRecord): Uint8Array<ArrayBuffer> {
  const { state, freezer, cgroups, startsAlone, endsAlone } = record;
  const encode = (text: string) => new TextEncoder().encode(text);
  const [beforePid, beforeStatus, afterStatus] = state.map(encode);
  const paths = encode(cgroups.map((path) => `${path}\0`).join(""));
  const file = encode(freezer === undefined ? "" : `${freezer}\0`);
  const parts = [beforePid, beforeStatus, afterStatus, paths, file].map((part) =>
    part ?? encode("")
  );
  const size = CONTAINER.bytes + parts.reduce((sum, part) => sum + part.length, 0);
  // The launcher reads some bytes behind what it is told.
  const bytes = new Uint8Array(size + 8);
  const view = new DataView(bytes.buffer);
  let at = CONTAINER.bytes;
  const places = parts.map((part) => {
    bytes.set(part, at);
    at += part.length;
    return { address: ENTRY_ADDRESS + at - part.length, size: part.length };
  });
  const [before, between, after, cgroupsAt, freezerAt] = places;
  const fields: readonly (readonly [number, number | bigint | undefined])[] = [
    [CONTAINER.magic, CONTAINER_MAGIC],
    [CONTAINER.size, bytes.length],
    [CONTAINER.startsAlone, startsAlone ? 1 : 0],
    [CONTAINER.endsAlone, endsAlone && cgroups.length <= MOST_CGROUPS ? 1 : 0],
    [CONTAINER.beforePid, before?.address],
    [CONTAINER.beforePidSize, before?.size],
    [CONTAINER.beforeStatus, between?.address],
    [CONTAINER.beforeStatusSize, between?.size],
    [CONTAINER.afterStatus, after?.address],
    [CONTAINER.afterStatusSize, after?.size],
    [CONTAINER.freezer, freezer === undefined ? 0 : freezerAt?.address],
    [CONTAINER.cgroups, cgroupsAt?.address],
    [CONTAINER.count, cgroups.length],
  ];
  for (const [field, value] of fields) writeWord(view, field, value ?? 0);
  return bytes;
}
