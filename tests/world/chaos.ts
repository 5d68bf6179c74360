/** Any command of rkt beside any other one, for some time, or until there were many. */
import assert from "node:assert/strict";
import { PodTrace } from "./clean_host.ts";
import { type Host, NET } from "./host_world.ts";
import { children, list, podUuid, type World } from "./pod_world.ts";
import { RKT } from "./rkt.ts";
import { Random } from "./random.ts";

/** An image that comes and goes. */
export const OTHER = "example.com/other";

/** How a pod is run: a script, and flags of `run`. */
const SCRIPTS = [
  "exit 3",
  "exec sleep 1000",
  "sleep 0.2",
  "trap '' TERM; exec sleep 1000",
];

const FLAGS: readonly (readonly string[])[] = [
  [],
  ["--rm"],
  ["--restart=always", "--restart-delay=10ms"],
  ["--stop-timeout=10ms"],
  ["--no-overlay"],
  ["--stdout=log", "--stderr=log", "--memory=64Mi"],
];
const NETWORKS = ["--net=none", "--net=none", "--net=host", "--net=chaos"];

/** A quick machine has ended the most of them before the time is over, a busy one goes on until the least have ended. */
const COMMANDS = { least: 120, most: 250 } as const;

/** Commands for one pod. */
const ACTS: readonly (readonly string[])[] = [
  ["stop", "--timeout=100ms"],
  ["stop", "--force"],
  ["rm"],
  ["run-prepared"],
  ["status"],
  ["status", "--format=json"],
  ["status", "--wait=100ms"],
  ["enter", "POD", "/bin/true"],
  ["cat-manifest"],
  ["logs"],
  ["export", "--overwrite", "POD", "FILE"],
  ["cp", "POD:/etc", "-"],
];

/** Commands for all pods, or for images. */
const OTHERS: readonly (readonly string[])[] = [
  ["list"],
  ["list", "--format=json"],
  ["gc", "--grace-period=0s"],
  ["gc", "--mark-only"],
  ["gc", "--grace-period=0s", "--expire-prepared=0s"],
  ["image", "list"],
  ["image", "rm", OTHER],
  ["image", "gc", "--grace-period=1h"],
];

/** Commands for apps of a pod that is made for them. */
const APP_ACTS: readonly (readonly string[])[] = [
  [
    "add",
    "POD",
    NET,
    "--name=APP",
    "--environment=MARKER=WORD",
    "--",
    "-c",
    "sleep 0.1; exec sleep 1000",
  ],
  ["start", "--app=APP", "POD"],
  ["start", "--app=APP", "POD"],
  ["stop", "--app=APP", "POD"],
  ["rm", "--app=APP", "POD"],
  ["list", "POD"],
  ["status", "--app=APP", "POD"],
  ["exec", "--app=APP", "POD", "--", "/bin/true"],
];

/** Runs commands until a moment, and counts what becomes of them. */
export class Chaos {
  readonly trace: PodTrace;
  readonly #random = Random.ofTest();
  /** Commands that run. */
  readonly #running = new Set<Deno.ChildProcess>();
  readonly #end: number;
  /** How often each command has ended by itself, by its name. */
  readonly ended = new Map<string, number>();
  #kills = 0;
  #commands = 0;
  /** Commands that were killed. */
  #killed = 0;

  /**
   * @param other a file of the image {@linkcode OTHER}
   * @param duration in milliseconds
   */
  constructor(
    readonly world: World,
    readonly host: Host,
    readonly other: string,
    duration: number,
  ) {
    this.trace = new PodTrace(world, host);
    this.#end = Date.now() + duration;
  }

  get #goesOn(): boolean {
    const { least, most } = COMMANDS;
    return this.#commands < (Date.now() < this.#end ? most : least);
  }

  /** How many commands have ended, and how many processes were killed. */
  get counts(): { readonly commands: number; readonly kills: number } {
    return { commands: this.#commands, kills: this.#kills };
  }

  async #command(...words: string[]): Promise<void> {
    const { dataDir, dir } = this.world;
    const flags = [`--dir=${dataDir}`, `--local-config=${dir}/etc`, "--insecure-options=image"];
    const child = new Deno.Command("nsenter", {
      args: [`--net=${this.host.path}`, RKT, ...flags, ...words],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#running.add(child);
    const { signal, stderr } = await child.output();
    this.#running.delete(child);
    this.#commands++;
    if (signal === "SIGKILL") this.#killed++;
    const said = new TextDecoder().decode(stderr);
    // One line for each thing that went wrong, and nothing that nobody has thought of.
    const lines = said.split("\n").filter((line) => line !== "");
    assert.ok(
      lines.every((line) => /^[a-z0-9-]+: /.test(line) && !/Error:|BUG|panic/.test(line)),
      `${words.join(" ")}: ${said}`,
    );
    const name = words.slice(0, /^(app|image)$/.test(words[0] ?? "") ? 2 : 1).join(" ");
    if (signal === null) count(this.ended, name);
    this.trace.look();
  }

  /** Starts pods, one after the other. */
  async #starts(): Promise<void> {
    const { word } = this.trace;
    while (this.#goesOn) {
      const image = this.#random.one([NET, NET, NET, OTHER]);
      const network = this.#random.one(NETWORKS);
      const port = network === "--net=chaos" && this.#random.next() < 0.5
        ? [`--port=web:${1024 + this.#random.below(8)}`]
        : [];
      const flags = [`--set-env=MARKER=${word}`, ...this.#random.one(FLAGS)];
      const app = ["--", "-c", this.#random.one(SCRIPTS)];
      if (this.#random.next() < 0.2) {
        await this.#command(
          "prepare",
          ...port,
          image,
          ...flags.filter((f) => f !== "--rm" && !f.startsWith("--stop-timeout")),
          ...app,
        );
      } else await this.#command("run", network, ...port, image, ...flags, ...app);
    }
  }

  /** Commands for pods that there are, and for all of them. */
  async #acts(): Promise<void> {
    while (this.#goesOn) {
      const uuids = this.#uuids();
      if (this.#random.next() < 0.3 || uuids.length === 0) {
        await this.#command(...this.#random.one(OTHERS));
        continue;
      }
      const uuid = this.#random.one(uuids);
      const act = this.#random.one(ACTS);
      const file = `${this.world.dir}/export.aci`;
      const words = act.map((word) => word.replace("POD", uuid).replace("FILE", file));
      await this.#command(...words, ...act.some((word) => word.includes("POD")) ? [] : [uuid]);
    }
  }

  #uuids(): string[] {
    return this.world.pods().map(podUuid);
  }

  /** A pod whose apps come and go, and another one when it has ended. */
  async #sandboxes(): Promise<void> {
    while (this.#goesOn) {
      const file = `${this.world.dir}/sandbox`;
      let runs = true;
      const sandbox = this.#command(
        "app",
        "sandbox",
        this.#random.one(NETWORKS),
        `--uuid-file-save=${file}`,
      )
        .finally(() => runs = false);
      while (runs && this.#goesOn) {
        const uuid = list(this.world.dir).includes("sandbox")
          ? Deno.readTextFileSync(file).trim()
          : "";
        if (uuid === "") {
          await pause(10);
          continue;
        }
        const app = this.#random.one(["one", "two"]);
        const names = new Map([["POD", uuid], ["APP", app], ["WORD", this.trace.word]]);
        const act = this.#random.one(APP_ACTS).map((word) =>
          word.replace(/POD|APP|WORD/, (name) => names.get(name) ?? name)
        );
        await this.#command("app", ...act);
      }
      await sandbox;
    }
  }

  /** An image that comes again and again. */
  async #fetches(): Promise<void> {
    while (this.#goesOn) {
      await this.#command("fetch", this.other);
      await pause(500);
    }
  }

  async #looks(): Promise<void> {
    while (this.#goesOn) {
      this.trace.lookAtProcesses();
      await pause(250);
    }
  }

  /** Kills processes of rkt: commands, supervisors, inits, loggers, appsLock, and apps. */
  async #randomKills(): Promise<void> {
    while (this.#goesOn) {
      await pause(20 + this.#random.next() * 200);
      const running = [...this.#running];
      // Half of the commands come to their end.
      if (running.length > 0 && this.#killed <= this.#commands / 2) {
        this.#kill(this.#random.one(descendants(this.#random.one(running).pid)));
      }
    }
  }

  #kill(pid: number): void {
    try {
      Deno.kill(pid, "SIGKILL");
      this.#kills++;
    } catch {
      // It has ended.
    }
  }

  /** Ends what still runs: by `rkt stop`, or by killing supervisors. */
  async #ends(kill: boolean): Promise<void> {
    while (this.#goesOn) await pause(100);
    while (this.#running.size > 0) {
      if (kill) { for (const { pid } of this.#running) this.#kill(pid); }
      else {
        const uuids = list(`${this.world.dataDir}/pods/run`);
        if (uuids.length > 0) await this.#command("stop", "--force", ...uuids);
      }
      await pause(20);
    }
  }

  /** @param kills whether processes are killed meanwhile, and in the end */
  async run(kills: boolean): Promise<void> {
    await Promise.all([
      this.#starts(),
      this.#starts(),
      this.#starts(),
      this.#acts(),
      this.#acts(),
      this.#sandboxes(),
      this.#fetches(),
      this.#looks(),
      this.#ends(kills),
      ...kills ? [this.#randomKills()] : [],
    ]);
  }
}

function count(of: Map<string, number>, what: string): void {
  of.set(what, (of.get(what) ?? 0) + 1);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A process and all that have come of it. */
function descendants(pid: number): number[] {
  try {
    return [pid, ...children(pid).flatMap(descendants)];
  } catch {
    return [pid]; // It has ended.
  }
}
