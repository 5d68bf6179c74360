/**
 * A virtual machine in software (qemu, no KVM needed) that runs test scripts under a real systemd with cgroups of
 * version 2, and ends.
 */
import { Failure } from "../../src/failure.ts";
import { image, type Release } from "./image.ts";

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
}

/** Seconds that a script may take, and the machine in all. */
const LIMIT = { script: 300, machine: 1000 } as const;

/** Runs the scripts one after the other, in one machine. `set -e` holds, after `lib.sh` of the files was read. */
function mainScript(scripts: readonly Script[]): string {
  return `exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 raw
cd /work
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
${
    scripts.map(({ name }) =>
      `echo "@begin ${name}"
SECONDS=0
timeout -k 5 ${LIMIT.script} bash -e -c '[ ! -e /work/lib.sh ] || . /work/lib.sh; . /work/scripts/${name}'
printf '\\n@end ${name} %s %s\\n' $? $SECONDS
`
    ).join("")
  }
echo @done
systemctl poweroff --force --force
`;
}

/**
 * Boots a machine, runs the scripts in it, and returns how each went.
 *
 * @param release which Debian it has
 * @param files a directory that the machine has at /work; `lib.sh` in it is read before each script
 * @throws {Failure} where the machine does not come so far; with the end of its console
 */
export async function runInMachine(
  release: Release,
  files: string,
  scripts: readonly Script[],
): Promise<ReadonlyMap<string, Result>> {
  const { kernel, disk } = await image(release);
  const directory = await Deno.makeTempDir({ prefix: "rkt-vm-" });
  try {
    const work = `${directory}/work`;
    await copy(files, work);
    await Deno.mkdir(`${work}/scripts`);
    for (const { name, text } of scripts) await Deno.writeTextFile(`${work}/scripts/${name}`, text);
    await Deno.writeTextFile(`${work}/main.sh`, mainScript(scripts));
    await makeDisk(work, `${directory}/work.img`);
    const output = await boot(directory, kernel, disk);
    return results(output, scripts);
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

/** Starts the machine, waits for its last word, and returns all that the scripts have said. */
async function boot(directory: string, kernel: string, disk: string): Promise<string> {
  const [console, said] = [`${directory}/console`, `${directory}/said`];
  const drive = (id: string, file: string, snapshot: boolean) => [
    "-drive",
    `file=${file},format=raw,if=none,id=${id},cache=unsafe,file.locking=off,snapshot=${
      snapshot ? "on" : "off"
    }`,
    "-device",
    `nvme,drive=${id},serial=${id}`,
  ];
  const args = [
    ...["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off", "-smp", "2", "-m", "2G"],
    ...[
      "-M",
      "q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off",
      "-nodefaults",
      "-no-user-config",
    ],
    ...["-display", "none", "-no-reboot", "-nic", "none", "-kernel", kernel],
    ...["-serial", `file:${console}`, "-serial", `file:${said}`],
    ...drive("system", disk, true),
    ...drive("work", `${directory}/work.img`, false),
    "-append",
    "root=/dev/nvme0n1 rootfstype=ext4 rw console=ttyS0 panic=-1 quiet mitigations=off nokaslr tsc=reliable " +
    "no_timer_check rcupdate.rcu_expedited=1 random.trust_cpu=on audit=0 fsck.mode=skip " +
    "systemd.unified_cgroup_hierarchy=1",
  ];
  const process = new Deno.Command("qemu-system-x86_64", {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => process.kill("SIGKILL"), LIMIT.machine * 1000);
  const { stderr } = await process.output();
  clearTimeout(timer);
  const read = (path: string) => Deno.readTextFile(path).catch(() => "");
  const output = await read(said);
  if (/^@done$/m.test(output)) return output;
  const end = (await read(console)).split("\n").slice(-25).join("\n");
  const errors = new TextDecoder().decode(stderr);
  throw new Failure(`vm: the machine has not run all scripts\n${errors}${output}\n${end}`);
}

function results(output: string, scripts: readonly Script[]): ReadonlyMap<string, Result> {
  return new Map(scripts.map(({ name }) => {
    const [, rest = ""] = output.split(`@begin ${name}\n`);
    const [text = "", end = ""] = rest.split(`\n@end ${name} `);
    const [code = NaN, seconds = NaN] = end.split(/\s/).map((word) => parseInt(word, 10));
    return [name, { code, seconds, output: text.trimStart() }];
  }));
}
