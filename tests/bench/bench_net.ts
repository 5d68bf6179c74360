/**
 * What a network costs: to start a pod on the default network against none, beside podman on its bridge, and what
 * passes between a pod and the host, against a plain veth. In a network namespace of its own.
 */
import type { CommandLine } from "../../scripts/bench/contenders.ts";
import { Failure } from "../../src/failure.ts";
import { addProgram } from "../world/host_world.ts";
import { podmanIn, rktIn } from "../../scripts/bench/contenders.ts";
import type { Contender, Place } from "../../scripts/bench/contenders.ts";
import { removeAll, reported, row, verdict } from "../../scripts/bench/report.ts";
import { makeRootFs } from "../../scripts/bench/root_fs.ts";
import { measureTimes, median } from "../../scripts/bench/times.ts";
import { tool } from "../../scripts/bench/tool.ts";
import { BENCH_NEEDS, provide } from "../../scripts/needs.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** What the project promises: milliseconds that the default network may cost, and the share of a veth's throughput. */
const BUDGET = { milliseconds: 12, throughput: 0.95 };

/** Short rounds: what else the machine does hits those who are compared alike. */
const RUNS = { rounds: 8, runs: 8, warmups: 1 };
/** A run of podman takes a second. */
const FEW = { rounds: 2, runs: 3, warmups: 1 };

const IMAGE = "example.com/bench";
const IPERF = "/usr/bin/iperf3";

/** Set in the process that runs in the network namespace. */
const INSIDE = "RKT_BENCH_NET";

async function storeImage(place: Place): Promise<string> {
  await makeRootFs(place.rootFs);
  await addProgram(place.rootFs, IPERF);
  const [rkt = "", dataDir = ""] = rktIn(place), file = `${place.dir}/bench.aci`;
  await tool(rkt, "image", "build", place.rootFs, file, `--name=${IMAGE}`, "--exec=/bin/true");
  return await tool(rkt, dataDir, "--insecure-options=image", "fetch", file);
}

/** podman on its bridge and without a network; none where that does not work. */
async function podman(place: Place): Promise<Contender[]> {
  const [name = "podman", ...flags] = podmanIn(place), archive = `${place.dir}/rootfs.tar`;
  const run: CommandLine = [
    name,
    ...flags,
    "run",
    "--rm",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
  ];
  const image = "localhost/bench:latest";
  const on = (network: string): CommandLine => [...run, `--network=${network}`, image, "/bin/true"];
  try {
    await tool("tar", "-C", place.rootFs, "-cf", archive, ".");
    await tool(name, ...flags, "import", archive, image);
    const contenders = ["none", "bridge"].map((network) => ({
      name: `podman, ${network}`,
      command: on(network),
    }));
    for (const { command } of contenders) await tool(...command);
    return contenders;
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`left out: podman: ${error.message.slice(0, 200)}`);
    return [];
  }
}

async function compareStarts(place: Place, image: string): Promise<void> {
  const rkt = (name: string, ...flags: string[]): Contender => ({
    name: `rkt, ${name}`,
    command: [...rktIn(place), "run", ...flags, image],
  });
  const contenders = [rkt("none", "--net=none"), rkt("default")];
  // The first run of a command line is not what is measured.
  for (const { command } of contenders) await tool(...command);
  const others = await podman(place);
  const times = new Map([
    ...await measureTimes(contenders, place.dir, RUNS),
    ...others.length > 0 ? await measureTimes(others, place.dir, FEW) : [],
  ]);
  console.log(`\n${row(24, ["start to end", "minimum", "median"])}`);
  const ms = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
  for (const [name, runs] of times) {
    console.log(row(24, [name, ms(Math.min(...runs)), ms(median(runs))]));
  }
  const more = 1000 *
    (median(times.get("rkt, default") ?? []) - median(times.get("rkt, none") ?? []));
  const holds = more <= BUDGET.milliseconds;
  const budget = `the default network costs at most ${BUDGET.milliseconds} ms`;
  console.log(verdict(budget, `${more.toFixed(1)} ms`, holds));
}

/** Bits per second that iperf3 receives in some seconds; `client` begins the client's command line. */
async function throughput(address: string, client: readonly string[]): Promise<number> {
  const server = new Deno.Command(IPERF, {
    args: ["--server", "--one-off", "--bind", address, "--forceflush"],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("listening")) {
    const { value, done } = await lines.read();
    if (done) throw new Failure(`bench: iperf3 does not listen: ${said}`);
    said += value;
  }
  const [program = "", ...args] = client;
  const report = await tool(program, ...args, "--client", address, "--json", "--time", "2");
  while (!(await lines.read()).done);
  await server.status;
  return JSON.parse(report).end.sum_received.bits_per_second;
}

async function compareThroughput(place: Place, image: string): Promise<void> {
  const name = `rkt-bench-${Deno.pid}`;
  await tool("ip", "netns", "add", name);
  try {
    await tool("ip", ..."link add plain0 up type veth peer name eth0 netns".split(" "), name);
    await tool("ip", ..."address add 10.99.0.1/24 dev plain0".split(" "));
    await tool("ip", "-n", name, ..."address add 10.99.0.2/24 dev eth0".split(" "));
    await tool("ip", "-n", name, ..."link set eth0 up".split(" "));
    const plain = ["ip", "netns", "exec", name, IPERF];
    const pod = [...rktIn(place), "run", image, `--exec=${IPERF}`, "--"];
    const rates: [number, number][] = [];
    for (let round = 0; round < 3; round++) {
      // The gateway's address is on the host's end of a pod's veth; this one is on the host at any time.
      rates.push([await throughput("10.99.0.1", plain), await throughput("10.99.0.1", pod)]);
    }
    const of = (which: 0 | 1) => median(rates.map((pair) => pair[which]));
    const gigabits = (rate: number) => `${(rate / 1e9).toFixed(1)} Gbit/s`;
    console.log(`\n${row(24, ["pod to host, iperf3", "veth", "pod"])}`);
    console.log(row(24, ["median of 3", gigabits(of(0)), gigabits(of(1))]));
    const ratio = of(1) / of(0), holds = ratio >= BUDGET.throughput;
    console.log(verdict("within 5 % of a plain veth", `${ratio.toFixed(2)}×`, holds));
  } finally {
    await tool("ip", "netns", "delete", name);
  }
}

async function bench(): Promise<void> {
  await tool("ip", "link", "set", "lo", "up");
  const dir = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "rkt-bench-net-" });
  const place: Place = {
    dir,
    rootFs: `${dir}/rootfs`,
    rkt: Deno.env.get("RKT") ?? `${ROOT}dist/rkt`,
    empty: "",
  };
  try {
    const image = (await storeImage(place)).split("\n").at(-1) ?? "";
    await compareStarts(place, image);
    await compareThroughput(place, image);
  } finally {
    await removeAll(dir);
  }
}

async function main(): Promise<void> {
  if (Deno.uid() !== 0) throw new Failure("bench: run it as root: it makes namespaces and mounts");
  if (Deno.env.has(INSIDE)) return await bench();
  await provide("bench", [
    ...BENCH_NEEDS,
    { file: IPERF, package: "iperf3", why: "measure throughput" },
    { file: "ip", package: "iproute2", why: "a plain veth to compare with" },
  ]);
  const args = ["--net", Deno.execPath(), "run", "-A", import.meta.filename ?? ""];
  const { code } = await new Deno.Command("unshare", { args, env: { [INSIDE]: "1" } }).spawn()
    .status;
  Deno.exit(code);
}

if (import.meta.main) await reported(main);
