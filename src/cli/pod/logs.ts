import { Failure } from "../../failure.ts";
import { podContents } from "../../pod/directory/pod_details.ts";
import { chosenApp } from "../../pod/app/pod_app.ts";
import { isExternal } from "../../pod/external/external_pod.ts";
import { openPod, podPath, type PodView } from "../../pod/directory/pod_directory.ts";
import { harmless, type LogLine, LogLines } from "../../pod/logs/log_lines.ts";
import { LogReader, type LogSource, merged } from "../../pod/logs/log_reader.ts";
import { type LogRecord, recordTime } from "../../pod/logs/log_records.ts";
import { LOGS } from "../../../stage1/output/log_files.ts";
import type { Invocation } from "../grammar/command.ts";
import { exists } from "../../linux/exists.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import { jsonText } from "../print/json.ts";
import { BulkOutput } from "../print/bulk_output.ts";
import { printableLine } from "../../linux/printable.ts";

/** `rkt logs`: the logged output of a pod's apps. */
export default async function run(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const pod = openPod(global.dir, podAndRest(invocation).uuid);
  const apps = loggingApps(pod, flags.text("app"));
  const now = Date.now();
  const from = now - (flags.duration("since") ?? Infinity);
  const to = now - (flags.duration("until") ?? -Infinity);
  const tail = flags.number("tail");
  const readers = await logSources(logDirectory(global.dir, pod), pod, apps);
  const show = printer(apps, {
    json: flags.text("format") === "json",
    timestamps: flags.on("timestamps"),
    terminal: Deno.stdout.isTerminal(),
    tail,
    follow: flags.on("follow"),
  });
  const showAll = () => {
    for (const { app, record } of merged(readers)) {
      const time = record.seconds * 1000 + record.nanoseconds / 1e6;
      if (time >= from && time < to) show.add(app, record);
    }
    // What comes later is shown as it comes.
    show.caughtUp();
  };
  try {
    if (flags.on("follow")) {
      const { followLogs } = await import("../../pod/logs/follow_logs.ts");
      await followLogs(global.dir, pod, showAll);
    } else showAll();
    show.end();
  } finally {
    for (const reader of readers) reader[Symbol.dispose]();
  }
  return 0;
}

function loggingApps(pod: PodView, wanted: string | undefined): readonly string[] {
  const apps = wanted === undefined
    ? (podContents(pod)?.apps ?? []).map(({ name }) => name)
    : [chosenApp(pod, wanted)];
  if (pod.state === "embryo" || pod.state === "preparing") {
    throw new Failure(`pod "${pod.uuid}" is not complete yet; try again`);
  }
  if (!exists(`${pod.path}/${LOGS}`)) {
    throw new Failure(
      `pod "${pod.uuid}" keeps no output; --stdout=log and --stderr=log of \`rkt run\` do that`,
    );
  }
  return apps;
}

async function logSources(
  directory: string,
  pod: PodView,
  apps: readonly string[],
): Promise<readonly LogSource[]> {
  if (!isExternal(pod)) return apps.map((app) => new LogReader(directory, app));
  const { PlainLog } = await import("../../pod/external/plain_log.ts");
  return apps.map((app) => new PlainLog(directory, app));
}

/** The directory of the logs, now or later: a prepared pod moves when it is run. */
function logDirectory(dataDir: string, pod: PodView): string {
  return pod.stage === "prepared" ? podPath(dataDir, "run", pod.uuid) : pod.path;
}

/** Shows records one after the other. */
interface Printer {
  add(app: string, record: LogRecord): void;
  /** Called when all records that existed at the command's start have been added. */
  caughtUp(): void;
  end(): void;
}

interface Form {
  readonly json: boolean;
  readonly timestamps: boolean;
  readonly terminal: boolean;
  /** How many of the lines that existed at the command's start are shown. Absent for all. */
  readonly tail: number | undefined;
  readonly follow: boolean;
}

/** The output of one app without additions is copied byte for byte; else it is shown as lines. */
function printer(apps: readonly string[], form: Form): Printer {
  const plain = !form.json && !form.timestamps && !form.terminal && apps.length === 1;
  const output = new BulkOutput();
  const flush = () => output.flush();
  if (plain && form.tail === undefined) {
    return { add: (_, record) => output.bytes(record.content), caughtUp: flush, end: flush };
  }
  const width = Math.max(...apps.map((app) => app.length));
  const lines = new LogLines();
  const show = (line: LogLine) => {
    if (form.json) return output.text(`${printableLine(lineJson(line))}\n`);
    const time = form.timestamps ? `${recordTime(line.record)} ` : "";
    const name = apps.length > 1 ? `${line.app.padEnd(width)} | ` : "";
    if (time + name !== "") output.text(time + name);
    output.bytes(
      form.terminal ? encoder.encode(harmless(decoder.decode(line.bytes))) : line.bytes,
    );
    output.bytes(LINE_FEED);
  };
  let last: LogLine[] | undefined = form.tail === undefined ? undefined : [];
  const take = (line: LogLine) => {
    if (last === undefined) return show(line);
    last.push(line);
    if (last.length > (form.tail ?? 0)) last.shift();
  };
  const caughtUp = () => {
    last?.forEach(show);
    last = undefined;
    flush();
  };
  return {
    add: (app, record) => lines.add(app, record).forEach(take),
    caughtUp: () => {
      // A line that is not finished is the last one of what is there.
      if (last !== undefined && !form.follow) lines.rest().forEach(take);
      caughtUp();
    },
    end: () => {
      lines.rest().forEach(show);
      flush();
    },
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LINE_FEED = new Uint8Array([10]);

function lineJson({ app, record, bytes }: LogLine): string {
  const text = decoder.decode(bytes);
  return jsonText({ time: recordTime(record), app, stream: record.stream, text }, false);
}
