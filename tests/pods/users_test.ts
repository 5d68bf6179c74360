/** Users other than root: what they are called, and what they may do. */
import assert from "node:assert/strict";
import { World } from "../world/pod_world.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  const { root } = world;
  Deno.writeTextFileSync(
    `${root}/etc/passwd`,
    "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/srv:/bin/other\n4321:x:99:99::/digits:/bin/sh\n",
  );
  for (const name of ["httpd"]) {
    try {
      Deno.symlinkSync("busybox", `${root}/bin/${name}`);
    } catch {
      // It is there.
    }
  }
  Deno.mkdirSync(`${root}/setuid`);
  // Busybox itself gives up what setuid gives it, so it is a capability of the file.
  Deno.copyFileSync(`${root}/bin/busybox`, `${root}/setuid/grep`);
  const args = ["cap_chown+ep", `${root}/setuid/grep`];
  assert.ok(new Deno.Command("setcap", { args }).outputSync().success);
  await world.store("users", { exec: ["/bin/sh"] });
  Deno.removeSync(`${root}/etc/passwd`);
  Deno.removeSync(`${root}/etc/group`);
  await world.store("nobody", { exec: ["/bin/sh"], user: "root", group: "root" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** What a script prints as a user, at the first start and when it is repeated. */
async function as(user: string, script: string, ...flags: string[]): Promise<string> {
  const words = [
    "run",
    "--net=none",
    "example.com/users",
    `--user=${user}`,
    ...flags,
    "--",
    "-c",
    script,
  ];
  const first = await world.rkt(...words);
  const again = await world.rkt(...words);
  assert.deepEqual([again.code, again.stdout, again.stderr], [
    first.code,
    first.stdout,
    first.stderr,
  ]);
  return first.stdout + first.stderr;
}

Deno.test("a user is called what passwd says, also by number; digits may be a name", async () => {
  const script = "echo $(id -u) $USER $LOGNAME $HOME $SHELL";
  const expected = {
    "33": "33 www www /srv /bin/other\n",
    "www": "33 www www /srv /bin/other\n",
    "4321": "99 4321 4321 /digits /bin/sh\n",
    "77": "77 77 77 / /bin/sh\n",
    "0": "0 root root /root /bin/sh\n",
  };
  for (const [user, line] of Object.entries(expected)) assert.equal(await as(user, script), line);
});

Deno.test("root needs no passwd and no group", async () => {
  const words = [
    "run",
    "--net=none",
    "example.com/nobody",
    "--",
    "-c",
    "echo $(id -u) $(id -g) $USER",
  ];
  const { code, stdout, stderr } = await world.rkt(...words);
  assert.deepEqual([code, stdout], [0, "0 0 root\n"], stderr);
});

Deno.test("--caps-retain gives capabilities to a user other than root, and to its programs", async () => {
  const script = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status";
  const sets = (hex: string) =>
    ["Inh", "Prm", "Eff", "Bnd", "Amb"].map((name) => `Cap${name}:\t${hex.padStart(16, "0")}\n`)
      .join("");
  const retained = "--caps-retain=CAP_NET_RAW,CAP_NET_BIND_SERVICE,CAP_SYS_NICE";
  assert.equal(await as("33", script, retained), sets("802400"));
  assert.equal(await as("33", script, retained, "--allow-new-privileges"), sets("802400"));
  const none = await as("33", script);
  assert.match(none, /CapPrm:\t0{16}\nCapEff:\t0{16}\n/);
});

Deno.test("file capabilities (and setuid) work for a user only where the caller allows new privileges", async () => {
  const fields = "grep -E 'NoNewPrivs|Seccomp:|CapPrm' /proc/self/status";
  const said = (capabilities: string, noNewPrivileges: string) =>
    `CapPrm:\t${capabilities.padStart(16, "0")}\nNoNewPrivs:\t${noNewPrivileges}\nSeccomp:\t2\n`;
  const script = `${fields}; /setuid/${fields}`;
  assert.equal(await as("33", script), said("0", "1") + said("0", "1"));
  assert.equal(await as("33", script, "--allow-new-privileges"), said("0", "0") + said("1", "0"));
});

Deno.test("in a network of the pod's own any user listens on all ports, and pings", async () => {
  const script =
    "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; httpd -p 80 && echo on";
  assert.equal(await as("33", script), "0\n0\t2147483647\non\n");
  assert.equal(
    await as("33", script, "--private-users").then((said) => said.split("\n")[1]),
    "0\t65535",
  );
});

Deno.test("a user opens /dev/stdout and /dev/stderr, where the caller's are pipes", async () => {
  const said = await as("www", "echo out >/dev/stdout; echo err >/dev/stderr && echo both");
  assert.match(said, /^out$/m);
  assert.match(said, /^both$/m);
});
