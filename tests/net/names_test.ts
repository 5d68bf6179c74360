/** Names in a pod: its own, those of the host's servers, and the files in which programs look for them. */
import assert from "node:assert/strict";
import { Host, makeNetImage, NET, writeNetwork } from "../world/host_world.ts";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
let host: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
  const ipam = (subnet: string, routes: readonly string[]) => ({
    type: "host-local",
    dataDir: `${world.dir}/ipam`,
    ranges: [[{ subnet }]],
    routes: routes.map((dst) => ({ dst })),
  });
  writeNetwork(world, { name: "far", type: "ptp", ipam: ipam("10.97.0.0/16", ["0.0.0.0/0"]) });
  writeNetwork(world, { name: "near", type: "ptp", ipam: ipam("10.98.0.0/24", []) });
  writeNetwork(world, { name: "six", type: "ptp", ipam: ipam("fd97::/64", ["::/0"]) });
  writeNetwork(world, {
    name: "bridged",
    type: "bridge",
    bridge: "brnames",
    ipam: ipam("10.99.0.0/24", ["0.0.0.0/0"]),
    dns: { nameservers: ["10.99.0.1"] },
  });
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

/** What a script prints in a pod of a host whose /etc and /run are as `before` makes them. */
async function onHost(before: string, script: string, ...flags: string[]): Promise<string> {
  const words = [...world.flags, `--local-config=${world.dir}/etc`, "run", NET, ...flags];
  const shell = `${before}; exec "$@"`;
  const args = ["-m", "nsenter", `--net=${host.path}`, "sh", "-c", shell, "sh", RKT, ...words];
  const command = new Deno.Command("unshare", {
    args: [...args, "--", "-c", script],
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const inPod = (script: string, ...flags: string[]) => onHost(":", script, ...flags);

Deno.test("a pod's own name leads to its own address, on every network and at every start", async () => {
  const script =
    "hostname; grep -w $(hostname) /etc/hosts; ip -o address show eth0 2>/dev/null | grep -v fe80 | grep -o 'inet6\\? [^/]*'";
  for (
    const net of [
      "none",
      "host",
      "default",
      "default-restricted",
      "far",
      "near",
      "six",
      "bridged",
      "far,near",
    ]
  ) {
    for (const flags of [[], ["--hostname=web"]]) {
      const seen = new Set<string>();
      for (let i = 0; i < 3; i++) {
        const [name = "", line = "", inet = ""] =
          (await inPod(`${script}; true`, `--net=${net}`, ...flags)).split("\n");
        const own = ["none", "host"].includes(net) ? "127.0.1.1" : inet.replace(/^inet6? /, "");
        assert.deepEqual(line.split(/\s+/), [own, name], net);
        assert.match(name, flags.length > 0 ? /^web$/ : /^rkt-[0-9a-f-]{36}$/);
        seen.add(own);
      }
      if (!["none", "host", "near"].includes(net)) {
        assert.equal(seen.size, 3, `${net}: an address each`);
      }
    }
  }
});

Deno.test("/etc/hostname and /etc/mtab are there on every network, also in a copy", async () => {
  const script = "cat /etc/hostname; grep -c ' /proc proc ' /etc/mtab";
  for (
    const flags of [["--net=none"], ["--net=host"], ["--net=far"], ["--net=none", "--no-overlay"]]
  ) {
    assert.equal(await inPod(script, "--hostname=named", ...flags), "named\n1\n");
  }
});

/** Gives the host a resolv.conf, and one of what systemd-resolved asks itself. */
const resolver = (own: string, behind = "") =>
  `mount -t tmpfs none /run/systemd 2>/dev/null || { mkdir -p /run/systemd; mount -t tmpfs none /run/systemd; }; ` +
  `mkdir -p /run/systemd/resolve; printf '${behind}' > /run/systemd/resolve/resolv.conf; ` +
  `printf '${own}' > ${world.dir}/resolv.conf; mount --bind ${world.dir}/resolv.conf /etc/resolv.conf`;

Deno.test("the host's servers are the pod's where nobody says others and it can reach them", async () => {
  const real = "search a.example\\nnameserver 192.0.2.1\\nnameserver 192.0.2.2\\noptions edns0\\n";
  const text = real.replaceAll("\\n", "\n");
  const stub = "nameserver 127.0.0.53\\n";
  const cases: readonly (readonly [before: string, net: string, resolvConf: string])[] = [
    [resolver(real), "far", text],
    [resolver(real), "default", text],
    [resolver(real), "host", text],
    [resolver(stub, real), "far", text],
    [resolver(stub, real), "default", text],
    [resolver(stub, real), "host", "nameserver 127.0.0.53\n"],
    [resolver("nameserver 127.0.0.1\\n"), "far", ""], // one that nobody else can ask
    [resolver(real), "near", ""], // no route to it
    [resolver(real), "none", ""],
    [resolver(real), "bridged", "nameserver 10.99.0.1\n"],
  ];
  for (const [before, net, expected] of cases) {
    for (const _time of ["first", "again"]) {
      assert.equal(
        await onHost(before, "cat /etc/resolv.conf 2>/dev/null; true", `--net=${net}`),
        expected,
      );
    }
  }
  // Changed meanwhile: a repeated start sees it.
  const other = resolver("nameserver 192.0.2.3\\n");
  assert.equal(
    await onHost(other, "cat /etc/resolv.conf 2>/dev/null; true", "--net=far"),
    "nameserver 192.0.2.3\n",
  );
});

Deno.test("what an image or a volume says of names stays, unless a flag says otherwise", async () => {
  const cat = "cat /etc/hosts /etc/resolv.conf";
  const before = resolver("nameserver 192.0.2.1\\n");
  Deno.writeTextFileSync(`${world.dir}/hosts`, "192.0.2.9 of-the-volume\n");
  const volume = [
    `--volume=h,kind=host,source=${world.dir}/hosts`,
    "--mount=volume=h,target=/etc/hosts",
  ];
  assert.match(
    await onHost(before, cat, "--net=far", ...volume),
    /^192\.0\.2\.9 of-the-volume\nnameserver 192\.0\.2\.1\n$/,
  );
  const flag = await onHost(before, cat, "--net=far", ...volume, "--hosts-entry=192.0.2.8=flag");
  assert.match(flag, /^192\.0\.2\.8\tflag$/m);
  const root = `${world.root}`;
  Deno.writeTextFileSync(`${root}/etc/hosts`, "127.0.0.1 localhost\n192.0.2.7 of-the-image\n");
  Deno.writeTextFileSync(`${root}/etc/resolv.conf`, "nameserver 192.0.2.6\n");
  await world.store("named", { exec: ["/bin/sh"] });
  const named = (...flags: string[]) =>
    world.rkt("run", "--net=host", ...flags, "example.com/named", "--", "-c", cat);
  assert.equal(
    (await named()).stdout,
    "127.0.0.1 localhost\n192.0.2.7 of-the-image\nnameserver 192.0.2.6\n",
  );
  const asked = await named("--hosts-entry=192.0.2.8=flag", "--dns=192.0.2.5");
  assert.match(asked.stdout, /flag\nnameserver 192\.0\.2\.5\n$/);
  // One that only repeats what every hosts file says makes way.
  Deno.writeTextFileSync(
    `${root}/etc/hosts`,
    "# alpine\n127.0.0.1\tlocalhost localhost.localdomain\n::1\t\tlocalhost localhost.localdomain\nff02::1 ip6-allnodes\n",
  );
  await world.store("stub", { exec: ["/bin/sh"] });
  const stub = await world.rkt(
    ...["run", "--net=none", "--hostname=web", "example.com/stub", "--", "-c", "cat /etc/hosts"],
  );
  assert.match(stub.stdout, /^127\.0\.1\.1\tweb$/m);
});
