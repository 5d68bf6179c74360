/**
 * What it costs to fetch a signed image: CPU time next to gpg, gzip, sha512sum and tar on the same
 * files, and memory.
 *
 *     deno run -A tests/bench/bench_fetch.ts [MEGABYTES=150]     needs root, dist/rkt, gnupg, openssl
 */
import { Failure } from "../../src/failure.ts";
import { FetchWorld } from "../world/fetch_world.ts";

const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;
const CPU_BUDGET = 0.7;
const MEMORY_BUDGET = 150;

/** What a command took. */
interface Cost {
  /** User and system time in seconds. */
  readonly cpu: number;
  readonly wall: number;
  /** The most that was resident, in MB; of the process that does the work. */
  readonly memory: number;
}

/** Runs a script of bash; `$1`, `$2`, … are the arguments. */
async function measured(script: string, ...args: string[]): Promise<Cost> {
  const timed = `TIMEFORMAT='%U %S %R'; time { ( ${script} ) >/dev/null 2>&1 || echo failed >&2; }`;
  const child = new Deno.Command("bash", { args: ["-c", timed, "bash", ...args], stderr: "piped" })
    .spawn();
  let running = true;
  let memory = 0;
  const output = child.output().finally(() => running = false);
  while (running) {
    memory = Math.max(memory, peakMemory());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const text = new TextDecoder().decode((await output).stderr).trim();
  const [user, system, wall] = text.split(/\s+/).map(Number);
  if (user === undefined || system === undefined || wall === undefined || Number.isNaN(user)) {
    throw new Failure(`bench: ${script}: ${text}`);
  }
  return { cpu: user + system, wall, memory };
}

/** The high-water mark of the rkt that runs, in MB; the shells around it are small. */
function peakMemory(): number {
  let peak = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!Deno.readTextFileSync(`/proc/${name}/cmdline`).includes("\0fetch\0https:")) continue;
      const status = Deno.readTextFileSync(`/proc/${name}/status`);
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // It ended meanwhile.
    }
  }
  return peak;
}

/** An image of real machine code, compressed to about so many megabytes. */
async function makeImage(directory: string, megabytes: number): Promise<string> {
  const script = `cd "$1" && mkdir rootfs && i=0
    while [ "$(du -sm rootfs | cut -f1)" -lt $(($2 * 9 / 5)) ]; do
      i=$((i + 1)); cp "$3" "rootfs/file-$i"
    done
    tar -cf - manifest rootfs | gzip -1 > image.aci`;
  const labels = [{ name: "os", value: "linux" }, { name: "arch", value: "amd64" }];
  const manifest = {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: "example.com/big",
    labels,
  };
  Deno.writeTextFileSync(`${directory}/manifest`, JSON.stringify(manifest));
  await measured(script, directory, `${megabytes}`, Deno.execPath());
  Deno.removeSync(`${directory}/rootfs`, { recursive: true });
  return `${directory}/image.aci`;
}

async function bench(megabytes: number): Promise<void> {
  using world = new FetchWorld();
  world.trust();
  const image = await makeImage(world.directory, megabytes);
  const bytes = Deno.readFileSync(image);
  const signature = world.gpg.sign(bytes, world.key);
  Deno.writeFileSync(`${image}.asc`, signature);
  const url = "https://example.com/image.aci";
  world.site.route(url, { body: bytes });
  world.site.route(`${url}.asc`, { body: signature });
  console.log(`image: ${(bytes.length / 1e6).toFixed(0)} MB of gzip, signed with Ed25519`);
  const native = await measured(
    `export GNUPGHOME="$1"; gpg --verify "$2.asc" "$2" && gzip -dc "$2" | sha512sum &&
      mkdir "$3" && tar -xzf "$2" -C "$3"`,
    world.gpg.home,
    image,
    `${world.directory}/native`,
  );
  const fetch = await measured(
    'unshare -m sh -c \'mount --bind "$0" /etc/hosts && exec "$@"\' "$@"',
    ...[world.site.hostsFile, RKT, `--dir=${world.data}`, `--local-config=${world.etc}`],
    ...[`--system-config=${world.lib}`, `--ca-file=${world.site.caFile}`, "fetch", url],
  );
  const ratio = fetch.cpu / native.cpu;
  const text = ({ cpu, wall }: Cost) => `${cpu.toFixed(1)} s CPU, ${wall.toFixed(1)} s in all`;
  console.log(`gpg --verify, gzip -dc | sha512sum, tar -xz: ${text(native)}`);
  console.log(`rkt fetch by https:                          ${text(fetch)}`);
  console.log(verdict(`CPU ${ratio.toFixed(2)} times theirs`, ratio <= CPU_BUDGET, CPU_BUDGET));
  console.log(
    verdict(`${fetch.memory.toFixed(0)} MB resident`, fetch.memory <= MEMORY_BUDGET, MEMORY_BUDGET),
  );
}

function verdict(what: string, holds: boolean, budget: number): string {
  return `${holds ? "holds" : "FAILS"}: ${what}, at most ${budget} promised`;
}

if (import.meta.main) await bench(Number(Deno.args[0] ?? 150));
