/** `rkt attach`: connects this terminal, or these pipes, to a running app. */
import { Failure } from "../../failure.ts";
import { ERRNO } from "../../linux/errno.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { pinShim, pinSupervisor } from "../../pod/app/app_process.ts";
import { appEndpoints, takeFrom, type TakenDescriptor } from "../../pod/app/app_streams.ts";
import { AttachedOutput } from "../../pod/app/attach_output.ts";
import { followLogs } from "../../pod/logs/follow_logs.ts";
import type { LogRecord } from "../../pod/logs/log_records.ts";
import { chosenApp } from "../../pod/app/pod_app.ts";
import { exitCode, podFiles } from "../../pod/directory/pod_details.ts";
import { openPod, type PodView, refreshed } from "../../pod/directory/pod_directory.ts";
import { isExternal } from "../../pod/external/external_pod.ts";
import {
  type Attachment,
  DetachKeys,
  parseAttachMode,
  stage1AttachWords,
} from "../request/attach_mode.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import type { Invocation } from "../grammar/command.ts";
import { printBytes, printLine } from "../print/output.ts";
import { POLLOUT } from "../../linux/constants.ts";

/** Runs the command. Ends when the pod ends, with the app's exit status, or when the user detaches. */
export default async function run(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const pod = openPod(global.dir, podAndRest(invocation).uuid);
  if (pod.state !== "running") {
    throw new Failure(`pod "${pod.uuid}" is ${pod.state}: only a running one can be attached to`);
  }
  const app = chosenApp(pod, flags.text("app"));
  const mode = flags.text("mode") ?? "auto";
  if (isExternal(pod)) {
    const words = [...stage1AttachWords(mode), `--debug=${global.debug}`];
    const { attachExternal } = await import("../../pod/external/entry_points.ts");
    attachExternal(pod, app, words);
  }
  using shim = pinShim(global.dir, pod, app);
  const there = appEndpoints(pod, app, shim !== undefined);
  if (mode === "list") {
    for (const each of there.all) printLine(each);
    return 0;
  }
  const wanted = parseAttachMode(mode, app, there.all);
  using supervisor = pinSupervisor(pod);
  if (supervisor === undefined) {
    throw new Failure(`pod "${pod.uuid}" is just being started, or has ended; try again`);
  }
  const descriptor = wanted.input === undefined ? undefined : there[wanted.input];
  using input = descriptor === undefined
    ? undefined
    : await takeFrom(shim ?? supervisor, descriptor);
  using output = new AttachedOutput(pod, app, wanted.outputs);
  const detached = await connect(global.dir, pod, wanted, output, input);
  return detached ? 0 : exitStatus(global.dir, pod, app);
}

/** The signals that detach from streams. In a raw terminal the keys are the app's. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Copies until the pod has ended (false) or the user has detached (true). */
async function connect(
  dataDir: string,
  pod: PodView,
  wanted: Attachment,
  output: AttachedOutput,
  input: TakenDescriptor | undefined,
): Promise<boolean> {
  const raw = wanted.input === "tty" && Deno.stdin.isTerminal();
  using _terminal = raw && input !== undefined ? await rawTerminal(input) : undefined;
  const { promise: stop, resolve } = Promise.withResolvers<boolean>();
  let detached = false;
  const detach = () => {
    detached = true;
    resolve(true);
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, detach);
  const show = (record: LogRecord) => {
    printBytes(record.content, record.stream === "stderr" ? Deno.stderr : Deno.stdout);
    output.shown(record);
  };
  for (const record of output.unseen()) show(record);
  if (input !== undefined) {
    const onlyInput = wanted.outputs.length === 0;
    passInput(input.fd, raw ? new DetachKeys() : undefined).then((left) => {
      if (left || onlyInput) detach();
    });
  }
  await followLogs(dataDir, pod, () => {
    for (const record of output.more()) show(record);
  }, stop);
  for (const signal of SIGNALS) Deno.removeSignalListener(signal, detach);
  // The app's last line is unfinished, and the next one is rkt's.
  if (raw && detached) Deno.stderr.writeSync(new TextEncoder().encode("\r\n"));
  return detached;
}

async function rawTerminal(input: TakenDescriptor) {
  const { RawTerminal } = await import("../../pod/app/raw_terminal.ts");
  return await RawTerminal.make(input.fd);
}

/** Passes standard input on until it ends. True if the user has detached before. */
async function passInput(to: number, keys: DetachKeys | undefined): Promise<boolean> {
  const buffer = new Uint8Array(4096);
  while (true) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return false;
    const bytes = buffer.slice(0, count);
    const passed = keys === undefined ? bytes : keys.pass(bytes);
    if (passed === undefined) return true;
    if (!await writeAll(to, passed)) return false;
  }
}

/** Writes bytes. False if there is no reader any more. */
async function writeAll(to: number, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  for (let done = 0; done < bytes.length;) {
    const rest = bytes.subarray(done);
    const count = trySyscall("write", to, rest, rest.length);
    if (count >= 0) done += count;
    else if (count === -ERRNO.EAGAIN) await writable(to);
    else if (count !== -ERRNO.EINTR) return false;
  }
  return true;
}

/** Waits in another thread until there is room. */
async function writable(to: number): Promise<void> {
  const poll = new Uint8Array(8);
  new DataView(poll.buffer).setInt32(0, to, true);
  new DataView(poll.buffer).setInt16(4, POLLOUT, true);
  const libc = Deno.dlopen("libc.so.6", {
    poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
  });
  await libc.symbols.poll(poll, 1n, -1);
  libc.close();
}

/** The app's exit status after the pod has ended. */
function exitStatus(dataDir: string, pod: PodView, app: string): number {
  using files = podFiles(refreshed(dataDir, pod) ?? pod);
  const code = exitCode(files, app);
  if (code !== undefined) return code;
  throw new Failure(`pod "${pod.uuid}" was killed`, 137);
}
