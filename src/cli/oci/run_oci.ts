/** The commands of `rkt oci`. */
import { AppcError } from "../../appc/error.ts";
import { parseJsonObject } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { signalNumber } from "../../../stage1/resolve/stop_signal.ts";
import type { ContainerLog } from "../../runtime/kept_descriptors.ts";
import {
  containerIds,
  findContainer,
  type FoundContainer,
} from "../../runtime/container_directory.ts";
import type { OciCommandName, OciWords } from "./oci_words.ts";

/** Where containers are, and where errors go. */
interface OciPlace {
  readonly root: string;
  readonly log: ContainerLog | undefined;
}

/** Runs a command; the exit status. */
export async function runOci(
  command: OciCommandName,
  words: OciWords,
  place: OciPlace,
): Promise<number> {
  switch (command) {
    case "create":
    case "run":
      return await create(words, place, command === "run");
    case "exec":
      return await exec(words, place);
    case "list":
      return await list(words, place);
    case "features": {
      const { runtimeFeatures } = await import("../../runtime/features.ts");
      return print(runtimeFeatures());
    }
    case "spec":
      return await writeSpec(words);
    case "delete":
      return await remove(words, place);
    default:
      return await withContainer(command, words, findContainer(place.root, words.id));
  }
}

type ContainerCommand = Exclude<
  OciCommandName,
  "create" | "run" | "exec" | "list" | "features" | "spec" | "delete"
>;

/** Commands about one container that there is. */
async function withContainer(
  command: ContainerCommand,
  words: OciWords,
  container: FoundContainer,
): Promise<number> {
  const { cgroups } = container.record;
  const state = await import("../../runtime/container_state.ts");
  switch (command) {
    case "state":
      return print(state.stateOf(container));
    case "start":
      await state.startContainer(container);
      return 0;
    case "kill":
      state.killContainer(container, readSignal(words.args[1] ?? "TERM"), words.on("all"));
      return 0;
    case "pause":
    case "resume": {
      const { freeze } = await import("../../runtime/cgroups.ts");
      const wanted = command === "pause" ? "running" : "paused";
      const status = state.fullStatus(container);
      if (status !== wanted) throw new Failure(`container not ${wanted}: it is ${status}`, 1);
      await freeze(cgroups, command === "pause");
      return 0;
    }
    case "ps": {
      const { cgroupProcesses } = await import("../../runtime/cgroups.ts");
      const pids = cgroupProcesses(cgroups);
      if (words.value("format") === "json") return print(pids);
      return await printProcesses(pids, words.args.slice(1));
    }
    case "events":
      return await events(words, container);
    case "update":
      return await update(words, container);
  }
}

/** Prints events, a line each, until the container ends; with `--stats` what it uses now. */
async function events(words: OciWords, container: FoundContainer): Promise<number> {
  const { containerEvents, statsEvent } = await import("../../runtime/container_events.ts");
  const { parseDuration } = await import("../grammar/duration.ts");
  if (words.on("stats")) {
    console.log(JSON.stringify(statsEvent(container)));
    return 0;
  }
  const text = words.value("interval") ?? "5s";
  const interval = parseDuration(text);
  if (!(interval > 0)) {
    throw new Failure(`--interval: ${JSON.stringify(text)} is no duration like 5s or 500ms`, 1);
  }
  for await (const event of containerEvents(container, interval)) {
    console.log(JSON.stringify(event));
  }
  return 0;
}

async function create(words: OciWords, { root, log }: OciPlace, run: boolean): Promise<number> {
  const { createContainer, plannedContainer } = await import("../../runtime/create_container.ts");
  const request = {
    id: words.id,
    root,
    log,
    bundle: absolute(words.value("bundle") ?? "."),
    pidFile: optionalPath(words.value("pid-file")),
    consoleSocket: optionalPath(words.value("console-socket")),
    pivots: !words.on("no-pivot"),
    newKeyring: !words.on("no-new-keyring"),
    preserved: count(words, "preserve-fds"),
    systemdCgroup: words.on("systemd-cgroup") || words.value("cgroup-manager") === "systemd",
    ...run && { run: { detached: words.on("detach"), keep: words.on("keep") } },
  };
  if (words.on("dry-run")) {
    const { planLines, warnOfFaults } = await import("../../start/dry_run.ts");
    const plan = plannedContainer(request);
    console.log(planLines(plan, "steps").join("\n"));
    warnOfFaults(plan, "oci create");
    return 0;
  }
  return await createContainer(request);
}

const absolute = (path: string): string =>
  path.startsWith("/") ? path : `${Deno.cwd()}/${path}`.replace(/\/\.$/, "");

const optionalPath = (path: string | undefined): string | undefined =>
  path === undefined || path === "" ? undefined : absolute(path);

function count(words: OciWords, name: string): number {
  const text = words.value(name) ?? "0";
  if (!/^\d{1,3}$/.test(text) || Number(text) > 150) {
    throw new Failure(`--${name}: ${JSON.stringify(text)} is not a number up to 150`, 1);
  }
  return Number(text);
}

async function exec(words: OciWords, { root, log }: OciPlace): Promise<number> {
  const { containerProcess, execInContainer } = await import("../../runtime/exec_container.ts");
  const { execProcess } = await import("./exec_process.ts");
  const container = findContainer(root, words.id);
  return execInContainer(container, {
    process: execProcess(words, () => containerProcess(container)),
    detached: words.on("detach"),
    ignoresPause: words.on("ignore-paused"),
    pidFile: optionalPath(words.value("pid-file")),
    consoleSocket: optionalPath(words.value("console-socket")),
    preserved: count(words, "preserve-fds"),
    log,
  });
}

async function list(words: OciWords, { root }: OciPlace): Promise<number> {
  const { stateOf } = await import("../../runtime/container_state.ts");
  const states = containerIds(root).flatMap((id) => {
    try {
      return [stateOf(findContainer(root, id))];
    } catch (error) {
      if (error instanceof Failure) return []; // being made, or gone meanwhile
      throw error;
    }
  });
  if (words.on("quiet")) {
    for (const { id } of states) console.log(id);
    return 0;
  }
  if (words.value("format") === "json") return print(states);
  const { table } = await import("../print/table.ts");
  const rows = states.map((each) => [
    ...[each.id, `${each.pid}`, each.status, each.bundle, each.created, each.owner],
  ]);
  const legend = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
  await Deno.stdout.write(new TextEncoder().encode(table([legend, ...rows])));
  return 0;
}

async function remove(words: OciWords, { root }: OciPlace): Promise<number> {
  const { deleteContainer } = await import("../../runtime/container_state.ts");
  const force = words.on("force");
  let container;
  try {
    container = findContainer(root, words.id);
  } catch (error) {
    if (!force || !(error instanceof Failure)) throw error;
    // What is left of one whose making was interrupted.
    const { exists } = await import("../../linux/exists.ts");
    if (!exists(`${root}/${words.id}`)) return 0;
    const { checkDirectory, removeDirectory } = await import(
      "../../runtime/container_directory.ts"
    );
    const { removeUnrecorded } = await import("../../runtime/scope/own_cgroups.ts");
    const directory = checkDirectory(root, words.id);
    await removeUnrecorded(directory);
    removeDirectory(directory);
    return 0;
  }
  await deleteContainer(container, force);
  return 0;
}

async function writeSpec(words: OciWords): Promise<number> {
  const { defaultSpec } = await import("../../runtime/default_spec.ts");
  const path = `${absolute(words.value("bundle") ?? ".")}/config.json`;
  try {
    Deno.writeTextFileSync(
      path,
      `${JSON.stringify(defaultSpec(words.on("rootless")), null, "\t")}\n`,
      {
        createNew: true,
      },
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Failure(`File ${path} exists. Remove it first`, 1);
  }
  return 0;
}

async function update(words: OciWords, container: FoundContainer): Promise<number> {
  const { updateContainer, updateResources } = await import("../../runtime/update_container.ts");
  const file = words.value("resources");
  const flags = (name: string) => words.value(name);
  const resources = file === undefined ? updateResources(flags) : await readJson(file);
  await updateContainer(container, resources);
  return 0;
}

async function readJson(file: string) {
  const text = file === "-"
    ? await new Response(Deno.stdin.readable).text()
    : Deno.readTextFileSync(file);
  try {
    return parseJsonObject(text);
  } catch (error) {
    if (error instanceof AppcError) throw new Failure(`${file}: ${error.message}`, 1);
    throw error;
  }
}

/** What ps(1) says of some processes, as runc has it. */
async function printProcesses(
  pids: readonly number[],
  options: readonly string[],
): Promise<number> {
  const args = options.length === 0 ? ["-ef"] : options;
  const { stdout } = await new Deno.Command("ps", { args: [...args], stderr: "inherit" }).output();
  const [head = "", ...lines] = new TextDecoder().decode(stdout).split("\n");
  const column = head.trim().split(/\s+/).indexOf("PID");
  console.log(head);
  for (const line of lines) {
    const pid = Number(line.trim().split(/\s+/)[column]);
    if (pids.includes(pid)) console.log(line);
  }
  return 0;
}

/** The number of a signal: by number, or by name with SIG in front or without. */
function readSignal(text: string): number {
  const number = signalNumber(text);
  if (number === undefined) throw new Failure(`unknown signal ${JSON.stringify(text)}`, 1);
  return number;
}

function print(value: unknown): number {
  console.log(JSON.stringify(value, null, 2));
  return 0;
}
