/**
 * A systemd as PID 1 of namespaces on this host, with the files of the virtual machine: as quick as the host, where the machine
 * takes seconds for each start of rkt. It has cgroups of version 2 and the controllers that the host has not given to version 1:
 * often none. What is about limits or kernels takes the machine.
 */
import { Failure } from "../../src/failure.ts";
import { image, type Release } from "./image.ts";
import type { Result, Script } from "./machine.ts";

const SET_UP = new URL("namespaced_systemd.sh", import.meta.url).pathname;

/** Seconds that a script may take, and the start of systemd. */
const LIMIT = { script: 300, boot: 120 } as const;

/** How a unit of the scripts is: as that of the machine. */
const UNIT = [
  ...[
    "--quiet",
    "--wait",
    "--pipe",
    "--collect",
    "-p",
    "WorkingDirectory=/work",
    "-E",
    "HOME=/root",
  ],
  ...["-p", "Delegate=yes", "-p", "TasksMax=infinity", "-p", "OOMPolicy=continue"],
];

/** A systemd that runs in namespaces; its end is that of all its processes. */
class NamespacedSystemd implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  /** Of systemd, in the host's numbers. */
  readonly pid: number;
  readonly #cgroup: string;

  private constructor(process: Deno.ChildProcess, pid: number, cgroup: string) {
    this.#process = process;
    this.pid = pid;
    this.#cgroup = cgroup;
  }

  /**
   * Starts one, and waits until it has started its units.
   *
   * @param files what it has at /work
   * @param directory an empty one, to mount things at in its own namespace
   */
  static async start(
    release: Release,
    files: string,
    directory: string,
  ): Promise<NamespacedSystemd> {
    const { disk } = await image(release);
    const cgroup = makeCgroup();
    const namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup"];
    // The shell goes into its cgroup before there is a namespace, whose root that cgroup will be.
    const enter = `echo $$ >"$1/cgroup.procs"; shift; exec "$@"`;
    const process = new Deno.Command("sh", {
      args: [
        ...["-ec", enter, "sh", cgroup, "unshare", ...namespaces, "--fork", "--kill-child"],
        ...["bash", SET_UP, disk, files, directory],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    try {
      const pid = await started(process.pid);
      return new NamespacedSystemd(process, pid, cgroup);
    } catch (error) {
      await end(process, cgroup);
      throw error;
    }
  }

  /** Runs a script of /work/scripts in a unit of its own, after lib.sh. */
  async run({ name }: Script): Promise<Result> {
    const begun = Date.now();
    const { code, stdout } = await new Deno.Command("nsenter", {
      args: [
        ...["--target", `${this.pid}`, "--all", "timeout", "-k", "5", `${LIMIT.script}`],
        ...["systemd-run", ...UNIT, "bash", "-ec"],
        `exec 2>&1; . /work/lib.sh; . /work/scripts/${name}`,
      ],
      clearEnv: true,
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).output();
    const output = new TextDecoder().decode(stdout);
    return { code, output, seconds: Math.round((Date.now() - begun) / 1000) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Not unshare(1): it waits for systemd then, so that what all of it has cost is known.
    Deno.kill(this.pid, "SIGKILL");
    await this.#process.status;
    await end(this.#process, this.#cgroup);
  }
}

/** Where the host's cgroups of version 2 are mounted. */
function mountPoint(): string {
  for (const line of Deno.readTextFileSync("/proc/self/mountinfo").split("\n")) {
    const [, , , , place = "", , ...rest] = line.split(" ");
    if (rest[rest.indexOf("-") + 1] === "cgroup2") return place;
  }
  throw new Failure("systemd: no cgroups of version 2 are mounted here");
}

/** Makes a cgroup below the own one. */
function makeCgroup(): string {
  const own = /^0::(.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1] ?? "/";
  const path = `${mountPoint()}${own === "/" ? "" : own}/systemd-tests-${crypto.randomUUID()}`;
  Deno.mkdirSync(path);
  return path;
}

/** Waits until the systemd below a process has started its units. Returns its PID. */
async function started(parent: number): Promise<number> {
  for (const begun = Date.now(); Date.now() - begun < LIMIT.boot * 1000;) {
    const pid = childOf(parent);
    if (pid !== undefined && await isRunning(pid)) return pid;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Failure(`systemd: it has not started within ${LIMIT.boot} s`);
}

function childOf(parent: number): number | undefined {
  try {
    const [child] = Deno.readTextFileSync(`/proc/${parent}/task/${parent}/children`).split(" ");
    return child === undefined || child === "" ? undefined : Number(child);
  } catch {
    throw new Failure("systemd: it has ended; what it wrote says why");
  }
}

async function isRunning(pid: number): Promise<boolean> {
  let name = "";
  try {
    name = Deno.readTextFileSync(`/proc/${pid}/comm`);
  } catch { /* it begins */ }
  if (name !== "systemd\n") return false;
  const { stdout } = await new Deno.Command("nsenter", {
    args: ["--target", `${pid}`, "--all", "systemctl", "is-system-running"],
    stdin: "null",
    stderr: "null",
  }).output();
  return /^(running|degraded)/.test(new TextDecoder().decode(stdout));
}

/** Kills the first process of the namespaces and so all of them, and removes their cgroups. */
async function end(process: Deno.ChildProcess, cgroup: string): Promise<void> {
  try {
    process.kill("SIGKILL");
  } catch { /* it has ended */ }
  await process.status;
  for (let i = 0; i < 100; i++) {
    const tree = ["find", cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"];
    const [find = "", ...args] = tree;
    await new Deno.Command(find, { args, stdin: "null", stderr: "null" }).output();
    if (!isThere(cgroup)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Failure(`systemd: its cgroup ${cgroup} does not become empty`);
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs the scripts one after the other, each under a systemd of its own, and returns how each went.
 *
 * @param files a directory that they have at /work; `lib.sh` in it is read before each script
 * @throws {Failure} where systemd does not start
 */
export async function runInNamespaces(
  release: Release,
  files: string,
  scripts: readonly Script[],
): Promise<ReadonlyMap<string, Result>> {
  const directory = await Deno.makeTempDir({ prefix: "rkt-systemd-" });
  await Deno.mkdir(`${files}/scripts`, { recursive: true });
  for (const { name, text } of scripts) await Deno.writeTextFile(`${files}/scripts/${name}`, text);
  const results = new Map<string, Result>();
  try {
    for (const script of scripts) {
      await using systemd = await NamespacedSystemd.start(release, files, directory);
      results.set(script.name, await systemd.run(script));
    }
    return results;
  } finally {
    await Deno.remove(directory);
  }
}
