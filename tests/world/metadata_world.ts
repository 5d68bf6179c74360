/** A metadata service, and requests out of pods. */
import assert from "node:assert/strict";
import { only } from "./nth.ts";
import { Lines, type Pod, type World } from "./pod_world.ts";
import { output, run } from "./host_world.ts";
import { type Outcome, RKT } from "./rkt.ts";
import { within } from "./until.ts";

/** The socket of the service as a pod, and these tests, see it. */
export const SOCKET = "/run/rkt/metadata/metadata.sock";

/** A service that runs. There is one on a machine, so tests that want one wait for each other. */
export class Service implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: Lines;
  readonly #lock: Deno.FsFile;

  private constructor(child: Deno.ChildProcess, lines: Lines, lock: Deno.FsFile) {
    this.#child = child;
    this.#lines = lines;
    this.#lock = lock;
  }

  /** Starts one, and returns when it is ready. */
  static async start(world: World, ...flags: string[]): Promise<Service> {
    const lock = Deno.openSync("/run/rkt-metadata-test.lock", { write: true, create: true });
    await within(lock.lock(true), 300, "another test's metadata service");
    const child = new Deno.Command(RKT, {
      args: [...world.flags, "metadata-service", ...flags],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const lines = new Lines(child.stderr);
    assert.match(await lines.next() ?? "", /^metadata-service: ready/);
    return new Service(child, lines, lock);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Ends it by a signal, and returns its exit status. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.#child.kill(signal);
    const { code } = await within(this.#child.status, 30, "the metadata service's end");
    await this.#lines.cancel();
    this.#lock.close();
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.end("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** A pod that has registered, and what its app was told. */
export interface Registered {
  readonly pod: Pod;
  readonly variables: ReadonlyMap<string, string>;
}

/** Starts a pod that registers, and waits. */
export async function registeredPod(world: World, ...flags: string[]): Promise<Registered> {
  const pod = await world.start(
    "env | grep -E '^(AC|SPIFFE)_'; echo; exec sleep 1000",
    "--mds-register",
    ...flags,
  );
  const variables = new Map<string, string>();
  for (let line = await pod.line(); line; line = await pod.line()) {
    const equals = line.indexOf("=");
    variables.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return { pod, variables };
}

/** curl in the namespaces of PIDs and networks of a pod: for the kernel a process of the pod. */
export function curl({ pod }: Pick<Registered, "pod">, ...args: string[]): Promise<Outcome> {
  const namespaces = ["-t", `${pod.init}`, "--pid", "--net"];
  return run("nsenter", ...namespaces, "curl", "-s", "--max-time", "20", ...args);
}

/** The body and the status of a request at the socket, out of a pod. */
export async function ask(from: Pick<Registered, "pod">, path: string, ...args: string[]) {
  const { code, stdout, stderr } = await curl(
    from,
    ...["--unix-socket", SOCKET, "-w", "\n%{http_code} %{content_type}", ...args],
    `http://host${path}`,
  );
  if (code !== 0) return { status: 0, type: "", body: stderr };
  const end = stdout.lastIndexOf("\n");
  const [status = "", ...type] = stdout.slice(end + 1).split(" ");
  return { status: Number(status), type: type.join(" "), body: stdout.slice(0, end) };
}

/** The UUID of the only pod that runs. */
export async function onlyUuid(world: World): Promise<string> {
  const text = await output(RKT, ...world.flags, "list", "--full", "--no-legend");
  return only(text.split("\n").filter((line) => /\srunning\s/.test(line))).split(/\s/)[0] ?? "";
}
