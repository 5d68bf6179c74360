import { printNote } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import { type ImageArgument, parseImageArgument } from "../../fetch/image_argument.ts";
import { exists } from "../../linux/exists.ts";
import { ownCommand } from "../../start/host/own_command.ts";
import type { RunRequest } from "../../start/request.ts";
import type { Command, Invocation } from "../grammar/command.ts";
import { findCommand, readInvocation } from "../grammar/command_line.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import type { Flags } from "../grammar/flags.ts";
import { globalWords } from "../grammar/global_words.ts";
import { print, printLine } from "../print/output.ts";
import { runRequest, withUserns } from "../request/run_arguments.ts";
import { installUnits } from "./install_units.ts";
import { type Listen, type Sockets, unitFiles, type UnitOptions } from "./unit_file.ts";
import { type SampledWords, sampleSpecifiers, type UnitWord } from "./unit_words.ts";

/** `rkt unit`: writes the units that run a pod as a service. */
export default async function unit(invocation: Invocation): Promise<number> {
  const { flags } = invocation;
  const options = await unitOptions(invocation);
  const files = unitFiles(options);
  if (!flags.on("install")) {
    const texts = files.map(({ name, text }) => `# ${name}\n${text}`);
    print(texts.join("\n"));
    return 0;
  }
  const user = flags.on("user");
  for (const path of await installUnits(files, flags.on("overwrite"), user)) printLine(path);
  const starts = files.at(-1)?.name ?? "";
  if (!options.name.endsWith("@")) {
    printNote(`unit: start it: systemctl ${user ? "--user " : ""}enable --now ${starts}`);
  }
  return 0;
}

async function unitOptions(
  { args, flags, global, commands }: Invocation,
): Promise<UnitOptions> {
  const [given = "", ...words] = args;
  const name = unitName(given);
  const sockets = socketOptions(flags, name);
  const sampled = name.endsWith("@") ? sampleSpecifiers(words) : { words, restore: same };
  const run = await readRun(words, sampled, commands, sockets !== undefined);
  const { pod, apps } = run.request;
  const restored = ({ image }: { readonly image: string }) => sampled.restore(image);
  const images = apps.map(restored);
  const outer = [...ownCommand(), ...globalWords(global)];
  const whole = [...outer, ...globalWords(run.global).map(sampled.restore)];
  const ownFile = { raw: uuidFile(sockets?.accept === true ? `${name}@` : name) };
  const savedTo = pod.uuidFile === undefined ? ownFile : sampled.restore(pod.uuidFile);
  const save = savedTo === ownFile ? [{ raw: `--uuid-file-save=${ownFile.raw}` }] : [];
  const credentials = flags.all("credential").map(parseCredential);
  const fetched = flags.on("fetch")
    ? apps.filter(({ image }) => isRemote(image)).map(restored)
    : [];
  return {
    name,
    description: flags.text("description") ??
      `${images.join(", ") || sampled.restore(pod.podManifest ?? "")} (rkt)`,
    command: [...outer, ...run.before, ...save, ...volume(credentials), ...run.behind],
    before: fetched.length === 0 ? undefined : [...whole, "fetch", ...fetched],
    started: flags.on("register") ? registration(whole, savedTo) : undefined,
    credentials,
    after: pod.remove ? undefined : [...whole, "gc", "--mark-only"],
    workingDirectory: needsDirectory(run) ? Deno.cwd() : undefined,
    network: pod.network.kind !== "none" || fetched.length > 0,
    timer: flags.text("timer"),
    sockets,
    user: flags.on("user"),
  };
}

const same = (text: string): string => text;

/** A credential as `LoadCredential=` takes it: `ID`, or `ID:PATH`. */
function parseCredential(text: string): string {
  if (/^[\x21-\x2e\x30-\x39\x3b-\x7e]{1,255}(:\/[\x20-\x7e]*)?$/.test(text)) return text;
  throw new Failure(
    `--credential=${text} is neither the name of a credential nor NAME:PATH with an absolute path`,
  );
}

/** The volume of the unit's credentials, which systemd mounts before the pod starts; for the apps that mount it. */
const volume = (credentials: readonly string[]): readonly UnitWord[] =>
  credentials.length === 0 ? [] : [
    { raw: "--volume=credentials,kind=host,source=${CREDENTIALS_DIRECTORY},readOnly=true" },
  ];

/**
 * Registers a pod with systemd-machined(8): its name, no machine ID, who says so, what it is, its first process, no root directory.
 * Behind the script stand the file of the UUID and the words of `rkt status`.
 */
const REGISTER = "uuid=$1; shift; exec busctl --quiet call org.freedesktop.machine1 " +
  "/org/freedesktop/machine1 org.freedesktop.machine1.Manager RegisterMachine sayssus " +
  '"rkt-$(cat "$uuid")" 0 rkt container "$("$@" "--uuid-file=$uuid" | sed -n s/^pid=//p)" ""';

const registration = (rkt: readonly string[], file: UnitWord): readonly UnitWord[] => [
  ...["/bin/sh", "-c", REGISTER, "sh"],
  ...[file, ...rkt, "status"],
];

/** What `--socket` and its like ask for. */
function socketOptions(flags: Flags, name: string): Sockets | undefined {
  const listen = flags.all("socket").map(parseListen);
  const socketName = flags.text("socket-name");
  const accept = flags.on("accept");
  if (listen.length === 0) {
    if (!accept && socketName === undefined) return undefined;
    throw new Failure(`--${accept ? "accept" : "socket-name"} is for sockets: --socket=ADDRESS`);
  }
  if (flags.isSet("timer")) throw new Failure("--socket and --timer exclude each other");
  if (name.endsWith("@")) {
    throw new Failure("a template has no sockets; with --accept rkt makes the template");
  }
  if (socketName !== undefined && !/^[\x21-\x39\x3b-\x7e]{1,255}$/.test(socketName)) {
    throw new Failure(`--socket-name: ${JSON.stringify(socketName)} can't name a descriptor`);
  }
  return { listen, name: socketName, accept };
}

const LISTEN = { udp: "ListenDatagram", fifo: "ListenFIFO" } as const;

function parseListen(text: string): Listen {
  const [, kind, address = ""] = /^(?:(udp|fifo):)?(.*)$/s.exec(text) ?? [];
  const isAddress = /^[\x21-\x7e]+$/.test(address) &&
    (/^[0-9]{1,5}$/.test(address) || /:[0-9]{1,5}$/.test(address) || /^[/@]./.test(address));
  if (!isAddress || (kind === "fifo" && !address.startsWith("/"))) {
    throw new Failure(
      `--socket=${text} names no port, no ADDRESS:PORT and no path; udp: or fifo: may stand before it`,
    );
  }
  const known = kind === "udp" || kind === "fifo" ? LISTEN[kind] : "ListenStream";
  return { kind: known, address };
}

/** A unit's name without its type, as systemd takes it (systemd.unit(5)). */
function unitName(text: string): string {
  const name = text.replace(/\.service$/, "");
  if (/^[A-Za-z0-9:_.\\-]+@?$/.test(name) && name.length < 240) return name;
  throw new Failure(
    `${
      JSON.stringify(text)
    } is no name of a unit: letters, digits and :_.\\-, an @ at the end for a template`,
  );
}

/** The file by which other commands find the pod: `rkt status --uuid-file=/run/web.uuid`. */
const uuidFile = (name: string): string =>
  name.endsWith("@") ? "%t/%p-%i.uuid" : `%t/${name.replaceAll("\\", "\\\\")}.uuid`;

/** A `run` command line, parsed and as typed. */
interface Run {
  readonly request: RunRequest;
  readonly global: GlobalFlags;
  /** The words up to `run`, and those behind it. */
  readonly before: readonly string[];
  readonly behind: readonly string[];
}

/** Parses the words as `rkt run` would, so that errors are reported now; about the words as they were typed. */
async function readRun(
  words: readonly string[],
  sampled: SampledWords,
  commands: readonly Command[],
  sockets: boolean,
): Promise<Run> {
  try {
    return await parseRun(words, sampled, commands, sockets);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(sampled.restore(error.message), error.exitCode, { cause: error });
  }
}

async function parseRun(
  words: readonly string[],
  sampled: SampledWords,
  commands: readonly Command[],
  sockets: boolean,
): Promise<Run> {
  if (words.length === 0) {
    throw new Failure("a unit needs what it runs: rkt unit NAME -- run IMAGE");
  }
  const found = findCommand(sampled.words, commands);
  if (found.command.name !== "run") {
    throw new Failure(`a unit runs a pod: behind -- stands "run", and not "${found.command.name}"`);
  }
  const invocation = readInvocation(found);
  const request = await withUserns(runRequest(invocation, sockets), invocation.flags);
  if (request.pod.dryRun) throw new Failure("--dry-run prints a plan, and a unit runs a pod");
  if (request.pod.interactive) {
    throw new Failure("--interactive needs a terminal, and a unit has none");
  }
  const at = words.length - found.rest.length;
  return {
    request,
    global: invocation.global,
    before: words.slice(0, at),
    behind: words.slice(at),
  };
}

const image = (text: string): ImageArgument => parseImageArgument(text, exists);

/** Whether an image is one that can be fetched, and not a file or one of the store. */
const isRemote = (text: string): boolean => !["id", "file"].includes(image(text).kind);

/** Whether a path among the words begins at the working directory. */
function needsDirectory({ request: { pod, apps }, global }: Run): boolean {
  const paths = [
    ...[pod.uuidFile, pod.podManifest, ...pod.environmentFiles],
    ...[global.dir, global.systemConfig, global.localConfig, global.userConfig, global.caFile],
    ...apps.flatMap((app) => {
      const argument = image(app.image);
      return [app.signature, argument.kind === "file" ? argument.path : undefined];
    }),
  ];
  return paths.some((path) => path !== undefined && !path.startsWith("/"));
}
