/** The host on which starts are compared: images, volumes, networks, all below one directory, which is soon as it was. */
import { BOX, makeRoot, World } from "../world/pod_world.ts";
import { output } from "../world/host_world.ts";
import { RKT } from "../world/rkt.ts";
import { STARTS_DIRECTORY } from "../../stage1/launcher/start_entry.ts";
import { exists } from "../../src/linux/exists.ts";

/** An image with a user, ports and a mount point. */
export const WEB = "example.com/web";

/** An image of the same name, newer, with another default program. */
export const NEWER = "newer.aci";

/** A network namespace, mounts, a /run and a /dev of its own: what a change breaks is not the machine's, and the other way round. */
export const UNSHARED = ["unshare", "--mount", "--net", "--propagation=private"] as const;

const SETTING = `
mkdir -p $1/dev
mount -t tmpfs -o mode=755 tmpfs $1/dev
mkdir $1/dev/pts $1/dev/shm
mount --rbind /dev/pts $1/dev/pts
mount -t tmpfs tmpfs $1/dev/shm
i=3; for name in null - zero - full random urandom; do
  [ $name = - ] || mknod -m 666 $1/dev/$name c 1 $i; i=$((i+1)); done
mknod -m 666 $1/dev/tty c 5 0
ln -s pts/ptmx $1/dev/ptmx; ln -s /proc/self/fd $1/dev/fd
cp -a /dev/loop* $1/dev/ 2>/dev/null || true
mount --move $1/dev /dev
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/cni/networks $1/over
mount -t tmpfs tmpfs /var/lib/cni/networks
mount -t tmpfs tmpfs $1/over
mkdir $1/over/upper $1/over/work
mount -t overlay -o lowerdir=/etc,upperdir=$1/over/upper,workdir=$1/over/work overlay /etc
echo nameserver 127.0.0.53 > /etc/resolv.conf
ip link set lo up
ip link add eth9 type veth peer name eth8
ip link set eth8 up
ip address add 192.0.2.1/24 dev eth9
ip link set eth9 up
ip route add default via 192.0.2.254
`;

/** What is put back as it was before each command line. */
const RESTORED = ["data", "etc", "volumes", "cwd", "files"];

/** The host, inside of {@linkcode UNSHARED}. */
export class Place implements AsyncDisposable {
  /** Words that go before rkt's, by the change that brings them. */
  readonly callers = new Map<string, readonly string[]>();
  /** Where rkt is started. */
  cwd: string;

  private constructor(readonly world: World) {
    this.cwd = `${world.dir}/cwd`;
  }

  get dir(): string {
    return this.world.dir;
  }

  get dataDir(): string {
    return this.world.dataDir;
  }

  static async make(): Promise<Place> {
    const world = await World.make();
    const place = new Place(world);
    const { dir } = world;
    await output("sh", "-ec", SETTING, "sh", dir);
    for (const name of ["etc/net.d", "volumes/dir/below", "volumes/other", "cwd", "files"]) {
      Deno.mkdirSync(`${dir}/${name}`, { recursive: true });
    }
    for (const [path, text] of FILES) Deno.writeTextFileSync(`${dir}/${path}`, text);
    await world.store("web", {
      exec: ["/bin/sh"],
      user: "www",
      group: "www",
      ports: [{ name: "http", protocol: "tcp", port: 80, count: 1, socketActivated: false }],
      mountPoints: [{ name: "data", path: "/srv/data", readOnly: false }],
      environment: [{ name: "FROM", value: "image" }],
    });
    makeRoot(`${dir}/newer`);
    Deno.writeTextFileSync(`${dir}/newer/etc/hostname`, "newer\n");
    await world.build(
      NEWER,
      ["--name", BOX, "--label=version=2", "--exec", "/bin/sh"],
      `${dir}/newer`,
    );
    await world.build("other.aci", ["--name", "example.com/other", "--exec", "/bin/sh"]);
    // Trees are rendered when they are first used.
    for (const image of [BOX, WEB]) {
      await world.rkt("--insecure-options=image", "run", "--net=none", image, "--exec=/bin/true");
    }
    await world.rkt("gc", "--grace-period=0s");
    await world.rkt("gc", "--grace-period=0s");
    await output("cp", "-a", ...RESTORED.map((name) => `${dir}/${name}`), `${place.#pristine()}/`);
    return place;
  }

  #pristine(): string {
    const path = `${this.dir}/pristine`;
    if (!exists(path)) Deno.mkdirSync(path);
    return path;
  }

  /** Puts everything back; the caller has undone what was mounted. */
  async restore(): Promise<void> {
    this.callers.clear();
    this.cwd = `${this.dir}/cwd`;
    for (const name of RESTORED) await remove(`${this.dir}/${name}`);
    const from = `${this.dir}/pristine`;
    await output("cp", "-a", ...RESTORED.map((name) => `${from}/${name}`), `${this.dir}/`);
    await output(
      "sh",
      "-c",
      "nft flush ruleset; rm -rf /var/lib/cni/networks/* /run/eq-ipam; true",
    );
    await this.forgetStarts();
  }

  /** Removes all entries of starts: the next one is a fresh run. */
  async forgetStarts(): Promise<void> {
    const forget = `rm -rf ${STARTS_DIRECTORY}`;
    // A change may have made /run read-only.
    const anyway = `mount -o remount,bind,rw /run; ${forget}; mount -o remount,bind,ro /run`;
    await output("sh", "-c", `${forget} 2>/dev/null || { ${anyway}; }`);
  }

  /** A command line with its paths, and what goes before it. */
  words(line: readonly string[]): readonly [string, ...string[]] {
    const words = line.map((word) => word.replaceAll("DIR", this.dir));
    const [first = RKT, ...others] = [...[...this.callers.values()].flat(), RKT, ...words];
    return [first, ...others];
  }

  /** Runs rkt as the administrator does between two starts. */
  async rkt(...args: string[]): Promise<void> {
    await this.world.rkt("--insecure-options=image", `--local-config=${this.dir}/etc`, ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output("umount", "-l", "/etc", `${this.dir}/over`);
    await this.world[Symbol.asyncDispose]();
  }
}

/** Removes a tree, whatever is there. */
export async function remove(path: string): Promise<void> {
  await output("rm", "-rf", path);
}

const network = (name: string, more: object) =>
  `${JSON.stringify({ cniVersion: "0.4.0", name, ...more }, null, 1)}\n`;

const FILES: readonly (readonly [path: string, text: string])[] = [
  ["volumes/dir/file", "of the volume\n"],
  ["volumes/dir/below/file", "below\n"],
  ["volumes/other/file", "of another one\n"],
  ["volumes/single", "a file as a volume\n"],
  ["files/environment", "FROM_FILE=first\n"],
  [
    "etc/net.d/10-br.conf",
    network("br", {
      ...{ type: "bridge", bridge: "eqbr0", isGateway: true, ipMasq: true },
      ipam: { type: "host-local", subnet: "10.61.0.0/24", dataDir: "/run/eq-ipam" },
    }),
  ],
  [
    "etc/net.d/20-ptp.conf",
    network("p", {
      ...{ type: "ptp", ipMasq: true, mtu: 1400 },
      ipam: {
        ...{ type: "host-local", subnet: "10.62.0.0/24", dataDir: "/run/eq-ipam" },
        routes: [{ dst: "0.0.0.0/0" }],
      },
    }),
  ],
];
