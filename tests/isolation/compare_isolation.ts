/**
 * Runs the probe of testdata/probe under rkt, podman, runc and systemd-nspawn with their defaults, and prints the attempts
 * that not all of them answer alike, as a table for docs/use/isolation.md. Exits with 1 where rkt allows what all others refuse.
 *
 *     sudo RKT=dist/rkt deno run -A tests/isolation/compare_isolation.ts
 */
import { PROBE, ProbeWorld, type Verdicts, verdicts } from "../world/probe_world.ts";

/** What the specification wants to be there, and is /dev/null. */
const WANTED = ["write /dev/console"];

/** What a command's probe saw; none where it can't run here. */
function seen(name: string, command: string, ...args: readonly string[]): Verdicts {
  try {
    const { stdout, stderr } = new Deno.Command(command, { args: [...args] }).outputSync();
    const found = verdicts(new TextDecoder().decode(stdout));
    if (found.size === 0) {
      console.error(`${name} can't run here: ${new TextDecoder().decode(stderr)}`);
    }
    return found;
  } catch (error) {
    console.error(`${name} can't run here: ${error}`);
    return new Map();
  }
}

function podman(root: string): Verdicts {
  const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
  const global = ["--cgroup-manager=cgroupfs", "--runtime=runc"];
  const flags = ["run", "--rm", "--network=none", ...limits];
  return seen("podman", "podman", ...global, ...flags, "--rootfs", root, "/bin/probe");
}

function runc(root: string, bundle: string): Verdicts {
  Deno.mkdirSync(bundle);
  new Deno.Command("runc", { args: ["spec"], cwd: bundle }).outputSync();
  const path = `${bundle}/config.json`;
  const config = JSON.parse(Deno.readTextFileSync(path));
  config.process = { ...config.process, terminal: false, args: ["/bin/probe"] };
  config.root = { path: root, readonly: false };
  Deno.writeTextFileSync(path, JSON.stringify(config));
  return seen("runc", "runc", "run", "--bundle", bundle, `probe-${Deno.pid}`);
}

function nspawn(root: string): Verdicts {
  const flags = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--pipe"];
  return seen("systemd-nspawn", "systemd-nspawn", ...flags, "-D", root, "/bin/probe");
}

/** A root of its own for each runtime: some write to it. */
function copyRoot(from: string, to: string): string {
  new Deno.Command("cp", { args: ["-a", from, to] }).outputSync();
  for (const name of ["proc", "sys", "dev", "tmp", "usr", "etc", "volume"]) {
    Deno.mkdirSync(`${to}/${name}`, { recursive: true });
  }
  Deno.writeTextFileSync(`${to}/etc/os-release`, "ID=probe\n");
  return to;
}

const possible = (verdict: string | undefined): boolean =>
  verdict === "ok" || verdict === "becomes root";

await using world = await ProbeWorld.make();
const { dir } = world.world;
const root = (name: string) => copyRoot(`${dir}/probe-root`, `${dir}/root-${name}`);
const volume = ["--volume=v,kind=empty", "--mount=volume=v,target=/volume"];
const own = await world.run([], PROBE, ...volume);
const others: readonly (readonly [string, Verdicts])[] = [
  ["podman", podman(root("podman"))],
  ["runc", runc(root("runc"), `${dir}/bundle`)],
  ["nspawn", nspawn(root("nspawn"))],
];
const columns = [["rkt", own] as const, ...others];
const there = others.filter(([, found]) => found.size > 0);
console.log(`| attempt | ${columns.map(([name]) => name).join(" | ")} |`);
console.log(`| --- | ${columns.map(() => "---").join(" | ")} |`);
// Under the others the probe is PID 1, and what it leaves behind is no other app.
for (const name of [...own.keys()].filter((name) => !/other (apps|processes)/.test(name))) {
  const answers = columns.map(([, found]) => found.get(name) ?? "-");
  if (new Set(answers).size > 1) console.log(`| ${name} | ${answers.join(" | ")} |`);
}
const weaker = [...own].filter(([name, verdict]) =>
  possible(verdict) && !WANTED.includes(name) && there.length > 0 &&
  there.every(([, found]) => !possible(found.get(name)))
).map(([name]) => name);
for (const name of weaker) console.error(`only rkt allows: ${name}`);
if (weaker.length > 0) Deno.exitCode = 1;
