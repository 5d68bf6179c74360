/** Resident memory of what watches over a running pod or container (proc_pid_smaps(5)). */
import { Failure } from "../../src/failure.ts";
import { type Place, PODMAN_RUN, podmanIn } from "./contenders.ts";
import { tool } from "./tool.ts";

/** Memory of some processes together, in KB. */
export interface Memory {
  readonly processes: number;
  /** Resident, shared pages included. */
  readonly rss: number;
  /** Resident, shared pages divided among those that share them. */
  readonly pss: number;
}

/** Whether a process waits for something to do: `S` of proc_pid_stat(5). */
async function waits(pid: number): Promise<boolean> {
  return /^State:\tS/m.test(await Deno.readTextFile(`/proc/${pid}/status`));
}

/** The memory of some processes together, while they wait. */
export async function memoryOf(pids: readonly number[]): Promise<Memory> {
  for (const pid of pids) {
    await eventually(`process ${pid} at rest`, async () => await waits(pid) || undefined);
  }
  const texts = await Promise.all(
    pids.map((pid) => Deno.readTextFile(`/proc/${pid}/smaps_rollup`)),
  );
  const sum = (field: string) =>
    texts.reduce((total, text) => {
      const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text);
      return total + Number(line?.[1] ?? 0);
    }, 0);
  return { processes: pids.length, rss: sum("Rss"), pss: sum("Pss") };
}

/** The children of a process; none where it has ended. */
export async function children(pid: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  return text.split(" ").filter((word) => word !== "").map(Number);
}

async function executable(pid: number): Promise<string> {
  return await Deno.readLink(`/proc/${pid}/exe`).catch(() => "");
}

/** Tries until there is an answer, for at most ten seconds. */
export async function eventually<T>(what: string, find: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + 10_000;
  while (performance.now() < end) {
    const found = await find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Failure(`bench: ${what}: not seen within ten seconds`);
}

/** Supervisor and pod init of a pod that runs one app. */
export async function measureRkt(place: Place, run: readonly string[]): Promise<Memory> {
  const [command, ...args] = [...run, "--exec=/bin/sleep", "--", "1000"];
  const pod = new Deno.Command(command, { args, stdin: "null" }).spawn();
  try {
    const init = await eventually("rkt's app", async () => {
      const [init] = await children(pod.pid);
      const [app] = init === undefined ? [] : await children(init);
      const runs = app !== undefined && (await executable(app)).endsWith("/bin/busybox");
      return runs && await executable(pod.pid) !== place.rkt ? init : undefined;
    });
    return await memoryOf([pod.pid, init]);
  } finally {
    pod.kill("SIGTERM");
    await pod.status;
  }
}

/** conmon of a container that podman runs detached. */
export async function measureConmon(place: Place): Promise<Memory> {
  const [podman, ...flags] = podmanIn(place), pidFile = `${place.dir}/conmon.pid`;
  const run = ["run", "--detach", "--conmon-pidfile", pidFile, ...PODMAN_RUN];
  const id = await tool(podman, ...flags, ...run, "localhost/bench:latest", "/bin/sleep", "1000");
  try {
    return await memoryOf([Number(await Deno.readTextFile(pidFile))]);
  } finally {
    await tool(podman, ...flags, "rm", "--force", "--time=0", id);
  }
}
