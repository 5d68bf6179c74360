/** What is compared: each contender prepares its image or bundle, then is a command line to measure. */
import { tool } from "./tool.ts";

/** Where things are. */
export interface Place {
  /** A directory for anything temporary. */
  readonly dir: string;
  /** The root file system. */
  readonly rootFs: string;
  /** The binary under test. */
  readonly rkt: string;
  /** The empty program, packed like it. */
  readonly empty: string;
}

/** A program and its arguments. */
export type CommandLine = readonly [program: string, ...args: string[]];

/** A contender, ready. */
export interface Contender {
  readonly name: string;
  /** Runs /bin/true of the root file system and ends with its status. */
  readonly command: CommandLine;
}

/** Prepares a contender. */
export type Prepare = (place: Place) => Promise<Contender>;

const IMAGE = "example.com/bench";

async function floor({ empty }: Place): Promise<Contender> {
  await tool(empty);
  return { name: "floor", command: [empty] };
}

/** The start of rkt's command line for everything here. */
export function rktIn({ rkt, dir }: Place): [program: string, dataDir: string, unsigned: string] {
  return [rkt, `--dir=${dir}/rkt`, "--insecure-options=image"];
}

/** Makes an image of the root file system and stores it. */
async function storeImage(place: Place): Promise<string> {
  const [rkt, dataDir] = rktIn(place), file = `${place.dir}/bench.aci`;
  await tool(rkt, "image", "build", place.rootFs, file, `--name=${IMAGE}`, "--exec=/bin/true");
  const fetched = await tool(rkt, dataDir, "--insecure-options=image", "fetch", file);
  return fetched.split("\n").at(-1) ?? "";
}

async function rkt(place: Place): Promise<Contender> {
  const command: CommandLine = [...rktIn(place), "run", "--net=none", await storeImage(place)];
  await tool(...command);
  return { name: "rkt", command };
}

async function runc({ dir, rootFs }: Place): Promise<Contender> {
  const bundle = `${dir}/bundle`;
  await Deno.mkdir(bundle);
  await tool("runc", "spec", "--bundle", bundle);
  const config = JSON.parse(await Deno.readTextFile(`${bundle}/config.json`));
  config.process.args = ["/bin/true"];
  config.process.terminal = false;
  config.root = { path: rootFs, readonly: true };
  await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(config));
  const command: CommandLine = [
    "runc",
    "--root",
    `${dir}/runc`,
    "run",
    "--bundle",
    bundle,
    "rkt-bench",
  ];
  await tool(...command);
  return { name: "runc", command };
}

/**
 * crun refuses a host with both versions of cgroups, as many are, and one where it may not raise limits. So it has
 * mounts of its own, in which all of cgroups is version 2; that the namespace is made is not a part of what is measured.
 */
async function crun({ dir, rootFs }: Place): Promise<Contender> {
  const bundle = `${dir}/crun-bundle`;
  await Deno.mkdir(bundle);
  await tool("crun", "spec", "--bundle", bundle);
  const config = JSON.parse(await Deno.readTextFile(`${bundle}/config.json`));
  config.process.args = ["/bin/true"];
  config.process.terminal = false;
  delete config.process.rlimits;
  delete config.linux.resources;
  config.root = { path: rootFs, readonly: true };
  await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(config));
  const mounts = await pureCgroups(dir);
  const command: CommandLine = [
    ...["nsenter", `--mount=${mounts}`, "crun", "--cgroup-manager=disabled"] as const,
    ...["--root", `${dir}/crun`, "run", "--bundle", bundle, "rkt-bench"],
  ];
  await tool(...command);
  return { name: "crun", command };
}

/** A mount namespace in which /sys/fs/cgroup is version 2 alone; returns its path. */
async function pureCgroups(dir: string): Promise<string> {
  const [place, namespace] = [`${dir}/namespaces`, `${dir}/namespaces/mounts`];
  await Deno.mkdir(place);
  // The namespace can be kept only where mounts do not reach it.
  await tool("mount", "--bind", "--make-private", place, place);
  await Deno.writeTextFile(namespace, "");
  const script = "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup";
  await tool("unshare", `--mount=${namespace}`, "sh", "-ec", script);
  return namespace;
}

async function bwrap({ rootFs }: Place): Promise<Contender> {
  const flags = ["--unshare-all", "--ro-bind", rootFs, "/", "--proc", "/proc", "--dev", "/dev"];
  const command: CommandLine = ["bwrap", ...flags, "/bin/true"];
  await tool(...command);
  return { name: "bwrap", command };
}

/** podman's flags for machines without systemd and without CAP_SYS_RESOURCE. */
export function podmanIn({ dir }: Place): [program: string, ...flags: string[]] {
  const places = [`--root=${dir}/podman/root`, `--runroot=${dir}/podman/run`];
  return ["podman", "--cgroup-manager=cgroupfs", "--runtime", "runc", ...places];
}

/** The flags of `podman run` that go with them. */
export const PODMAN_RUN = ["--network=none", "--ulimit", "nofile=1024:1024"]
  .concat(["--ulimit", "nproc=1024:1024"]);

async function podman(place: Place): Promise<Contender> {
  const archive = `${place.dir}/rootfs.tar`, image = "localhost/bench:latest";
  await tool("tar", "-C", place.rootFs, "-cf", archive, ".");
  const [name, ...flags] = podmanIn(place);
  await tool(name, ...flags, "import", archive, image);
  const command: CommandLine = [name, ...flags, "run", "--rm", ...PODMAN_RUN, image, "/bin/true"];
  await tool(...command);
  return { name: "podman", command };
}

/** All of them, in the order of the table. */
export const CONTENDERS: Readonly<Record<string, Prepare>> = {
  ...{ floor, rkt, runc, crun, bwrap, podman },
};
