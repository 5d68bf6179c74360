/**
 * `rkt-log`: writes the apps' logs into the pod's directory: one file for each app, with the time of each chunk.
 *
 * A file is a sequence of records. A record has a header of 24 bytes, little-endian, and its content:
 *
 *     0   8  seconds since 1970 (struct timespec of clock_gettime(2))
 *     8   8  nanoseconds
 * 16   4  bytes of content
 * 20   4  the stream: 1 standard output, 2 standard error, 3 terminal
 *
 * A full file is renamed to `APP.1` and replaces the one before. Nothing here can fail the pod: if the disk is full,
 * output is lost.
 */
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Sections,
  type Slot,
  slot,
  type Space,
  space,
} from "../engine/plan.ts";
import type { Pod, PodApp } from "../pod.ts";
import { type Chunk, runReader, type StreamReader, streamReader } from "./stream_reader.ts";
import { logPath, LOGS, RECORD_HEADER } from "./log_files.ts";
import { podChannels } from "./streams.ts";

/** Finds the streams that are logged. Undefined if the pod has none. */
export function logger(pod: Pod): StreamReader | undefined {
  return streamReader(
    "rkt-log",
    podChannels(pod).filter(({ kind }) => kind === "log" || kind === "tty"),
  );
}

/** Offsets in the table of files. */
const FILE = { descriptor: 0, offset: 8, most: 16, name: 24, older: 32, size: 40 } as const;

function files(apps: readonly PodApp[]) {
  const entry = (app: PodApp): Field[] => [
    ["fd", 8, -1],
    ["offset", 8, 0],
    ["most", 8, Math.floor(app.logSize / 2)],
    ["name", 8, logPath(app.name)],
    ["older", 8, logPath(app.name, true)],
  ];
  return mutableStruct("log", ...apps.flatMap(entry));
}

/**
 * Adds the logger's process.
 *
 * @param added of an app that was added to a pod: a guard watches it, and it does what this says first
 */
export function runLogger(
  sections: Sections,
  log: StreamReader,
  added?: { receive(): void },
): void {
  const apps = [...new Set(log.channels.map(({ app }) => app))];
  const table = files(apps);
  const channels = mutableStruct(
    "channel",
    ...log.channels.flatMap(({ app, stream }): Field[] => [
      ["file", 8, addressOf(table, apps.indexOf(app) * FILE.size)],
      ["stream", 8, stream * 2 ** 32],
    ]),
  );
  runReader(sections, log, {
    table: channels,
    recordSize: 16,
    standardStreams: false,
    watched: added !== undefined,
    ...added && { receive: added.receive },
    begin: () => lockLogs(sections.output),
    handle: (chunk, done) => writeRecord(sections.output, chunk, done),
  });
}

/** Locks the logs. After the pod's end, a reader learns from this lock whether all output has been written. */
function lockLogs(steps: Section): void {
  const directory = slot("logs");
  const flags = k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC;
  steps.attempt("open the directory of the logs", "openat", [k.AT_FDCWD, LOGS, flags, 0], {
    store: directory,
  });
  steps.keep(directory, "its lock shows that logs are being written");
  steps.attempt("show that logs are being written", "flock", [directory, k.LOCK_EX | k.LOCK_NB]);
}

function writeRecord(steps: Section, { channel, buffer, length }: Chunk, done: string): void {
  const file = slot("file");
  const descriptor = slot("descriptor");
  const offset = slot("offset");
  const place = slot("place");
  const value = slot("value");
  const record = space("record", RECORD_HEADER);
  const vector = mutableStruct(
    "iovec",
    ["record", 8, addressOf(record)],
    ["length", 8, RECORD_HEADER],
    ["content", 8, addressOf(buffer)],
    ["length", 8, 0],
  );
  const load = (from: number, to: Slot) => {
    steps.compute("add", [file, from], { store: place });
    steps.compute("load", [place], { store: to });
  };
  const put = (to: number, from: Slot | number) => {
    steps.compute("add", [file, to], { store: place });
    steps.compute("put", [place, from]);
  };
  steps.compute("load", [channel], { store: file });
  load(FILE.descriptor, descriptor);
  steps.compute("let", [descriptor], { branch: { when: "less", operand: 0, to: "log open" } });
  load(FILE.offset, offset);

  steps.label("log opened");
  // The file is full: it would be larger than half of the app's limit.
  load(FILE.most, value);
  steps.compute("sub", [value, offset], { store: value });
  steps.compute("sub", [value, length], { store: value });
  steps.compute("let", [value], {
    branch: { when: "less", operand: RECORD_HEADER, to: "log full" },
  });

  steps.attempt("get the time", "clock_gettime", [k.CLOCK_REALTIME, record]);
  steps.compute("add", [channel, 8], { store: place });
  steps.compute("load", [place], { store: value });
  steps.compute("add", [value, length], { store: value });
  steps.compute("put", [addressOf(record, 16), value]);
  steps.compute("put", [addressOf(vector, 24), length]);
  steps.attempt("log it", "pwritev", [descriptor, vector, 2, offset, 0], { store: value });
  steps.compute("sub", [value, length], { store: value });
  steps.compute("let", [value], {
    branch: { when: "different", operand: RECORD_HEADER, to: "log torn" },
  });
  steps.compute("add", [offset, length], { store: offset });
  steps.compute("add", [offset, RECORD_HEADER], { store: offset });
  put(FILE.offset, offset);
  steps.goto(done);

  steps.label("log torn");
  steps.attempt("take back what the disk had room for", "ftruncate", [descriptor, offset]);
  steps.goto(done);

  steps.label("log full");
  const name = slot("name");
  const older = slot("older name");
  load(FILE.name, name);
  load(FILE.older, older);
  steps.attempt("keep the full log as the older one", "renameat2", [
    k.AT_FDCWD,
    name,
    k.AT_FDCWD,
    older,
    0,
  ], { branch: { when: "error", to: done } });
  steps.attempt("close it", "close", [descriptor]);
  put(FILE.descriptor, -1);

  steps.label("log open");
  load(FILE.name, name);
  const flags = k.O_RDWR | k.O_CREAT | k.O_CLOEXEC | k.O_NOFOLLOW;
  steps.attempt("open the log", "openat", [k.AT_FDCWD, name, flags, 0o640], {
    store: descriptor,
    branch: { when: "error", to: done },
  });
  put(FILE.descriptor, descriptor);
  findEnd(steps, descriptor, offset, record);
  put(FILE.offset, offset);
  steps.goto("log opened");
}

/** Seeks to the end of the last complete record. A logger that was killed may have left an incomplete one. */
function findEnd(
  steps: Section,
  descriptor: Slot,
  offset: Slot,
  record: Space,
): void {
  const count = slot("count");
  const next = slot("next");
  const byte = space("byte", 8);
  steps.set(offset, 0);
  steps.label("log find end");
  steps.attempt(
    "read the head of a record",
    "pread64",
    [descriptor, record, RECORD_HEADER, offset],
    {
      store: count,
      branch: { when: "different", operand: RECORD_HEADER, to: "log found end" },
    },
  );
  steps.compute("load", [addressOf(record, 16)], { store: next });
  steps.compute("and", [next, 0xffffffff], { store: next });
  steps.compute("add", [next, offset], { store: next });
  steps.compute("add", [next, RECORD_HEADER - 1], { store: next });
  steps.attempt("read its last byte", "pread64", [descriptor, byte, 1, next], {
    store: count,
    branch: { when: "different", operand: 1, to: "log found end" },
  });
  steps.compute("add", [next, 1], { store: offset });
  steps.goto("log find end");
  steps.label("log found end");
  steps.attempt("take back a part of a record", "ftruncate", [descriptor, offset]);
}
