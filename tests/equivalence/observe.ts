/** Everything that can be seen of a pod while it runs and when it has ended, without what differs from pod to pod. */
import { children, list } from "../world/pod_world.ts";
import { output } from "../world/host_world.ts";
import { until } from "../world/until.ts";
import { SYSCALLS } from "../../stage1/engine/syscalls.ts";
import type { CommandLine } from "./command_lines.ts";
import { filesBelow } from "./files.ts";
import { Names } from "./names.ts";
import type { Place } from "./place.ts";
import { processFacts } from "./processes.ts";

/** What was seen, by what it is about. */
export type Observation = ReadonlyMap<string, string>;

/** So many seconds a step may take on a loaded machine, and no pair differs because of it. */
const PATIENCE = 60;

/** Runs a command line, looks at the pod while its apps wait, ends it, and looks at what is left. */
export async function observe(place: Place, line: CommandLine): Promise<Observation> {
  const [command, ...args] = place.words(line.words);
  const child = new Deno.Command(command, {
    args,
    cwd: place.cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const text = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => new Response(stream).text();
  const streams = Promise.all([text(child.stdout), text(child.stderr)]);
  let ended = false;
  const status = child.status.then((status) => {
    ended = true;
    return status;
  });
  const seen = new Map<string, string>();
  const names = new Names();
  try {
    const up = () => ended || isSettled(child.pid, Math.max(1, line.waiting));
    await until(up, PATIENCE, "the apps");
  } catch {
    seen.set("in vain", descendants(child.pid).map(commandOf).join("\n"));
  }
  const supervisor = ended ? undefined : supervisorBelow(child.pid);
  if (supervisor !== undefined) {
    await lookAtRunning(place, line, supervisor, names, seen);
    Deno.kill(supervisor, "SIGTERM");
  } else if (!ended) { for (const pid of [child.pid, ...descendants(child.pid)]) kill(pid); }
  const late = setTimeout(
    () => [child.pid, ...descendants(child.pid)].forEach(kill),
    1000 * PATIENCE,
  );
  const [stdout, stderr] = await streams;
  clearTimeout(late);
  const { code, signal } = await status;
  seen.set("status", `${code} ${signal}`);
  // Several apps write beside each other.
  const sorted = (text: string) => line.waiting > 1 ? text.split("\n").sort().join("\n") : text;
  seen.set("stdout", sorted(stdout));
  // With --debug only a start that is worked out says why it is not kept.
  seen.set("stderr", sorted(stderr.replaceAll(/^run: this start is not kept: .*\n/gm, "")));
  seen.set("pod directory at the end", podFiles(place, names));
  if (line.about.includes("network")) {
    await linksGone();
    await lookAtNetwork(names, seen, "at the end");
  }
  if (line.about.includes("file")) {
    seen.set("files", filesBelow(`${place.dir}/files`, names));
  }
  await clean(place);
  return new Map([...seen].map(([what, text]) => [what, names.replaced(text)]));
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

/** All processes below one. */
function descendants(pid: number): number[] {
  try {
    return children(pid).flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return []; // it has just ended
  }
}

const textOf = (path: string): string => {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
};

const commandOf = (pid: number) => textOf(`/proc/${pid}/cmdline`);

/** The system calls in which the pod's own processes wait. */
const WAITS = (["rt_sigtimedwait", "ppoll", "read"] as const).map((name) =>
  `${SYSCALLS[name][Deno.build.arch]} `
);

/** Whether the apps of a pod wait, and the pod's own processes do. */
function isSettled(pid: number, apps: number): boolean {
  const found = descendants(pid);
  const waiting = found.filter((each) => commandOf(each) === "sleep\x001000\0");
  const supervisor = supervisorBelow(pid);
  if (waiting.length < apps || supervisor === undefined) return false;
  return [supervisor, ...children(supervisor)].every((each) =>
    WAITS.some((call) => textOf(`/proc/${each}/syscall`).startsWith(call))
  );
}

function supervisorBelow(pid: number): number | undefined {
  return [pid, ...descendants(pid)].find((each) => commandOf(each).startsWith("rkt run "));
}

async function lookAtRunning(
  place: Place,
  line: CommandLine,
  supervisor: number,
  names: Names,
  seen: Map<string, string>,
): Promise<void> {
  const [init = supervisor] = children(supervisor);
  if (line.about.includes("network")) {
    const inPod = `ip -j address; ip -j route; ip -j -6 route; cat /proc/sys/net/ipv4/ip_forward`;
    const network = await output("nsenter", `--net=/proc/${init}/ns/net`, "sh", "-c", inPod);
    names.learnAddresses(network);
    seen.set("pod's network", names.network(network));
    await lookAtNetwork(names, seen, "while it runs");
  }
  seen.set("pod directory", podFiles(place, names));
  for (const [i, pid] of [supervisor, ...descendants(supervisor)].entries()) {
    for (const [what, text] of processFacts(pid)) seen.set(`process ${i}: ${what}`, text);
  }
}

/** The kernel takes the links of a network namespace away after its last process has ended. */
async function linksGone(): Promise<void> {
  try {
    const gone = async () => !(await output("ip", "-o", "link")).includes(" veth");
    await until(gone, PATIENCE, "no links");
  } catch {
    // What is left is seen.
  }
}

/** What the host's network looks like. */
async function lookAtNetwork(
  names: Names,
  seen: Map<string, string>,
  when: string,
): Promise<void> {
  const script = "ip -j address; ip -j route; nft list ruleset; " +
    "ls /run/eq-ipam/* /var/lib/cni/networks/* 2>/dev/null";
  const text = await output("sh", "-c", `${script}; true`);
  seen.set(`host's network ${when}`, names.network(text));
}

/** The files of all pods of the host. */
function podFiles({ dataDir }: Place, names: Names): string {
  return filesBelow(`${dataDir}/pods`, names) + filesBelow(`${dataDir}/networks`, names);
}

/** Nothing of this pod is to be seen by the next one, as far as a change lets it be removed. */
async function clean(place: Place): Promise<void> {
  const { dataDir, dir } = place;
  // Of a pod that could not be run when it had joined its network.
  if (list(`${dataDir}/networks`).length > 0) await place.rkt("gc", "--grace-period=0s");
  const script = "rm -rf $1/pods/*/*; [ -f $2/uuid -a ! -L $2/uuid ] && rm -f $2/uuid; " +
    "rm -f $2/elsewhere";
  await output("sh", "-c", `{ ${script}; } 2>/dev/null; true`, "sh", dataDir, `${dir}/files`);
}
