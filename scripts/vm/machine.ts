/**
 * A virtual machine in software (qemu, no KVM needed) that runs test scripts under a real systemd with cgroups of
 * version 2, and ends.
 */
import { Failure } from "../../src/failure.ts";
import { processorTime } from "../test/processor_time.ts";
import { type Image, image, type Release } from "./image.ts";
import { type Platform, X86_64 } from "./platform.ts";

/** A script for bash; it succeeds if it ends with 0. */
export interface Script {
  readonly name: string;
  readonly text: string;
}

/** How a script went. */
export interface Result {
  /** Its exit status; 124 where it took too long. */
  readonly code: number;
  readonly output: string;
  /** How long it took. */
  readonly seconds: number;
  /** Seconds that a machine has cost this host's processors since the script before, half a second more or less. */
  readonly processor?: number;
}

/** Runs the scripts one after the other, in one machine. `set -e` holds, after `lib.sh` of the files was read. */
function mainScript(scripts: readonly Script[], { said, limit }: Platform): string {
  return `exec >/dev/${said} 2>&1 </dev/null
stty -F /dev/${said} raw
cd /work
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
${
    scripts.map(({ name }) =>
      `echo "@begin ${name}"
SECONDS=0
timeout -k 5 ${limit.script} bash -e -c '[ ! -e /work/lib.sh ] || . /work/lib.sh; . /work/scripts/${name}'
printf '\\n@end ${name} %s %s\\n' $? $SECONDS
`
    ).join("")
  }
echo @done
systemctl poweroff --force --force
`;
}

/**
 * Boots a machine, runs the scripts in it, and tells how each went.
 *
 * @param release which Debian it has
 * @param files a directory that the machine has at /work; `lib.sh` in it is read before each script
 * @param tell is called when a script has ended
 * @throws {Failure} where the machine does not come so far; with the end of its console
 */
export async function runInMachine(
  release: Release,
  files: string,
  scripts: readonly Script[],
  tell: (name: string, result: Result) => void,
  platform: Platform = X86_64,
): Promise<void> {
  const made = await image(release, platform);
  const directory = await Deno.makeTempDir({ prefix: "rkt-vm-" });
  try {
    const work = `${directory}/work`;
    await copy(files, work);
    await Deno.mkdir(`${work}/scripts`);
    for (const { name, text } of scripts) await Deno.writeTextFile(`${work}/scripts/${name}`, text);
    await Deno.writeTextFile(`${work}/main.sh`, mainScript(scripts, platform));
    await makeDisk(work, `${directory}/work.img`);
    await Deno.remove(work, { recursive: true });
    const told = new Set<string>();
    let spent = 0;
    const read = (processor: number) => {
      for (const [name, result] of results(textOf(`${directory}/said`))) {
        if (told.has(name)) continue;
        told.add(name);
        tell(name, { ...result, processor: processor - spent });
        spent = processor;
      }
    };
    await boot(directory, made, platform, read);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function command(name: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args, stdin: "null" }).output();
  if (!success) throw new Failure(`vm: ${name}: ${new TextDecoder().decode(stderr).trim()}`);
}

const copy = (from: string, to: string) => command("cp", "-a", "--reflink=auto", from, to);

async function makeDisk(directory: string, file: string): Promise<void> {
  const flags = ["-q", "-t", "ext4", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard"];
  await command("mke2fs", ...flags, "-d", directory, file, "1G");
}

/** What a machine has written so far; nothing before it does. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/**
 * The words of a machine with its two disks, one of which stays as it is. They are of two kinds: which of two NVMe disks is
 * the first is chance, and the kernel has nothing but names to find its root by.
 */
function machineArguments(
  directory: string,
  { kernel, disk }: Image,
  { arguments: own, words, serials }: Platform,
): readonly string[] {
  const drive = (id: string, file: string, device: string, snapshot: boolean) => [
    "-drive",
    `file=${file},format=raw,if=none,id=${id},cache=unsafe,file.locking=off,snapshot=${
      snapshot ? "on" : "off"
    }`,
    "-device",
    `${device},drive=${id},serial=${id}`,
  ];
  return [
    ...own,
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none"],
    ...["-kernel", kernel],
    ...serials(`${directory}/console`, `${directory}/said`),
    ...drive("system", disk, "nvme", true),
    ...drive("work", `${directory}/work.img`, "virtio-blk-pci", false),
    "-append",
    `root=/dev/nvme0n1 rootfstype=ext4 rw panic=-1 quiet ${words} rcupdate.rcu_expedited=1 ` +
    "random.trust_cpu=on fsck.mode=skip systemd.unified_cgroup_hierarchy=1",
  ];
}

/** Starts the machine, and waits for its end; `read` is called now and then, and at the end, with what it has cost. */
async function boot(
  directory: string,
  image: Image,
  platform: Platform,
  read: (processor: number) => void,
): Promise<void> {
  const process = new Deno.Command(platform.emulator, {
    args: [...machineArguments(directory, image, platform)],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const late = setTimeout(() => process.kill("SIGKILL"), platform.limit.machine * 1000);
  let processor = 0;
  const reading = setInterval(() => {
    processor = processorTime(process.pid) ?? processor;
    read(processor);
  }, 500);
  const { stderr } = await process.output();
  clearTimeout(late);
  clearInterval(reading);
  read(processor);
  const output = textOf(`${directory}/said`);
  if (/^@done$/m.test(output)) return;
  const end = [output, textOf(`${directory}/console`)]
    .map((text) => text.split("\n").slice(-25).join("\n"));
  const errors = new TextDecoder().decode(stderr);
  throw new Failure(
    `vm: the machine has not run all scripts within ${platform.limit.machine} s\n${errors}${
      end.join("\n")
    }`,
  );
}

/** How the scripts went that have ended. */
function results(output: string): ReadonlyMap<string, Result> {
  const found = output.matchAll(/^@begin (\S+)\n([^]*?)\n@end \1 (\d+) (\d+)$/gm);
  return new Map(Array.from(found, ([, name = "", text = "", code, seconds]) => [
    name,
    { code: Number(code), seconds: Number(seconds), output: text.trimStart() },
  ]));
}
