/** Hosts made of network namespaces, with rkt on them: nothing of it reaches the machine's own network. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../src/appc/json_value.ts";
import { type Pod, World } from "./pod_world.ts";
import { type Outcome, RKT } from "./rkt.ts";
import { until } from "./until.ts";

/** Runs a program to its end. */
export async function run(program: string, ...args: string[]): Promise<Outcome> {
  const command = new Deno.Command(program, { args, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What a program prints; it must succeed. */
export async function output(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, ...args);
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

let made = 0;

/** A network namespace that plays a host. */
export class Host implements AsyncDisposable {
  readonly name = `rkt-test-${Deno.pid}-${made++}`;

  /** The path of the namespace. */
  readonly path = `/run/netns/${this.name}`;

  static async make(): Promise<Host> {
    const host = new Host();
    await output("ip", "netns", "add", host.name);
    await host.ip("link set lo up");
    return host;
  }

  /** `ip` on the host, with words that have no spaces in them. */
  ip(words: string): Promise<string> {
    return output("ip", "-n", this.name, ...words.split(" "));
  }

  /** What a program prints on the host; it must succeed. */
  output(program: string, ...args: string[]): Promise<string> {
    return output("nsenter", `--net=${this.path}`, program, ...args);
  }

  /** Runs a program on the host. Not by `ip netns exec`, which hides the mounts below /sys. */
  run(program: string, ...args: string[]): Promise<Outcome> {
    return run("nsenter", `--net=${this.path}`, program, ...args);
  }

  /** Runs a script in a shell on the host. */
  sh(script: string): Promise<Outcome> {
    return this.run("sh", "-c", script);
  }

  /** Runs rkt on the host, with the data directory and configuration of a world. */
  rkt(world: World, ...args: string[]): Promise<Outcome> {
    return this.run(RKT, ...flagsOf(world), ...args);
  }

  /** Starts a pod of {@linkcode NET} on the host, with a script in its shell. */
  start(world: World, script: string, ...flags: string[]): Pod {
    const words = [RKT, ...flagsOf(world), "run", NET, ...flags, "--", "-c", script];
    const args = [`--net=${this.path}`, ...words];
    return world.adopt(
      new Deno.Command("nsenter", { args, stdin: "null", stdout: "piped" }).spawn(),
    );
  }

  /** Runs a script in a pod of {@linkcode NET} on the host. */
  pod(world: World, script: string, ...flags: string[]): Promise<Outcome> {
    return this.rkt(world, "run", NET, ...flags, "--", "-c", script);
  }

  /** All links but `lo`. */
  async links(): Promise<readonly string[]> {
    const links: { readonly ifname: string }[] = JSON.parse(await this.ip("-j link show"));
    return links.map(({ ifname }) => ifname).filter((name) => name !== "lo").sort();
  }

  /**
   * Waits until all links but `lo` are these, sorted. Those that lead into a pod go with its namespace, which the kernel takes apart
   * some time after the last process in it has ended.
   */
  async hasLinks(...names: readonly string[]): Promise<void> {
    const same = async () => (await this.links()).join() === names.join();
    await until(same, 60, `the host's links to be ${names.join()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output("ip", "netns", "delete", this.name);
  }
}

/**
 * Joins two hosts by a cable.
 *
 * @param addresses of the first host's end and of the second one's, like `192.0.2.1/24`, any number of pairs
 */
export async function cable(
  [a, b]: readonly [Host, Host],
  [nameA, nameB]: readonly [string, string],
  ...addresses: readonly (readonly [string, string])[]
): Promise<void> {
  await a.ip(`link add ${nameA} up type veth peer name ${nameB} netns ${b.name}`);
  await b.ip(`link set ${nameB} up`);
  for (const [ofA, ofB] of addresses) {
    await a.ip(`address add ${ofA} dev ${nameA} nodad`);
    await b.ip(`address add ${ofB} dev ${nameB} nodad`);
  }
}

/** Copies a program of this machine, with the libraries it needs, into a root. */
export async function addProgram(root: string, path: string): Promise<void> {
  const libraries = (await output("ldd", path)).matchAll(/(\/\S+) \(0x/g);
  for (const file of [path, ...Array.from(libraries, ([, library = ""]) => library)]) {
    const to = `${root}${file}`;
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    Deno.copyFileSync(file, to);
  }
}

/** Addresses of a world's own for a network, one of each subnet; and routes. */
export const hostLocal = (
  world: World,
  subnets: readonly string[],
  routes: readonly string[] = [],
) => ({
  type: "host-local",
  dataDir: `${world.dir}/ipam`,
  ranges: subnets.map((subnet) => [{ subnet }]),
  routes: routes.map((dst) => ({ dst })),
});

/** The path of a running pod's network namespace. */
export async function podNamespace(host: Host, world: World, uuid: string): Promise<string> {
  const { stdout } = await host.rkt(world, "status", uuid);
  const [, pid = ""] = /^pid=(\d+)$/m.exec(stdout) ?? [];
  return `/proc/${pid}/ns/net`;
}

/** The host's end of a pod's first link. */
export const hostLink = (uuid: string): string => `veth${uuid.replaceAll("-", "").slice(0, 10)}0`;

const flagsOf = (world: World) => [...world.flags, `--local-config=${world.dir}/etc`];

/** An image with busybox, `nc`, and ports: {@linkcode makeNetImage}. */
export const NET = "example.com/net";

/** Puts {@linkcode NET} into a world's store. */
export async function makeNetImage(world: World): Promise<void> {
  const nc = "/bin/nc.openbsd";
  await addProgram(world.root, nc);
  for (const name of ["ip", "ping"]) Deno.symlinkSync("busybox", `${world.root}/bin/${name}`);
  const port = (name: string, protocol: string, port: number, count = 1) =>
    `--port=${name},protocol=${protocol},port=${port},count=${count}`;
  const ports = [port("web", "tcp", 80), port("dns", "udp", 53), port("range", "tcp", 1000, 3)];
  const file = await world.build("net.aci", ["--name", NET, "--exec", "/bin/sh", ...ports]);
  const fetched = await world.rkt("--insecure-options=image", "fetch", file);
  assert.equal(fetched.code, 0, fetched.stderr);
}

/** Writes a configuration of a network into a world's `net.d`. */
export function writeNetwork(world: World, conf: JsonObject, file = ""): void {
  const directory = `${world.dir}/etc/net.d`;
  Deno.mkdirSync(directory, { recursive: true });
  const path = `${directory}/${file === "" ? `${conf.name}.conf` : file}`;
  Deno.writeTextFileSync(path, JSON.stringify(conf));
}
