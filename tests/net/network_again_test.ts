/** The same command line once more, on a network: the pod joins it by what is remembered, and what has changed is noticed. */
import { keepsStarts } from "../world/start_entries.ts";
import assert from "node:assert/strict";
import { Host, makeNetImage, NET, writeNetwork } from "../world/host_world.ts";
import { list, type Pod, World } from "../world/pod_world.ts";
import { type Outcome, RKT } from "../world/rkt.ts";
import { nth } from "../world/nth.ts";

let world: World;
let host: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
  writeNetwork(world, {
    ...{ cniVersion: "0.4.0", name: "few", type: "ptp", ipMasq: true, mtu: 1400 },
    ipam: {
      ...{ type: "host-local", dataDir: `${world.dir}/ipam`, subnet: "10.94.0.0/29" },
      routes: [{ dst: "0.0.0.0/0" }, { dst: "10.95.0.0/16", gw: "10.94.0.1" }],
    },
  });
  writeNetwork(world, {
    ...{ cniVersion: "0.4.0", name: "switched", type: "bridge", bridge: "rkt-again" },
    ...{ isDefaultGateway: true, ipMasq: true, mtu: 1400, hairpinMode: true },
    ipam: { type: "host-local", dataDir: `${world.dir}/ipam`, subnet: "10.93.0.0/24" },
  });
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

/** Whether something is done by what is remembered; else everything is worked out again. */
const isQuick = (act: () => Promise<unknown>) => keepsStarts(world.dataDir, act);

const SCRIPT = "ip -o -4 address show eth0; ip route; ip link show eth0; ping -c1 -W20 $GW; exit 7";

/** The address of a pod that has ended well. */
function addressIn({ code, stdout, stderr }: Outcome): string {
  assert.equal(code, 7, stderr);
  return / inet ([0-9.]+)\//.exec(stdout)?.[1] ?? assert.fail(stdout);
}

/** Runs the same pod as ever on the network `few`. */
const few = (...flags: string[]) => host.pod(world, SCRIPT, ...FEW, ...flags);
const FEW = ["--net=few", "--environment=GW=10.94.0.1"];

/** The addresses that are taken on a network, and the records of pods. */
const taken = (name = "few") => [
  ...list(`${world.dir}/ipam/${name}`).filter((name) => name.startsWith("10.")),
  ...list(`${world.dataDir}/networks`),
];

/** A pod that stays, and its UUID. */
async function standing(...flags: string[]): Promise<{ pod: Pod; uuid: string }> {
  const file = `${world.dir}/uuid`;
  const pod = host.start(world, "echo up; exec sleep 1000", ...flags, `--uuid-file-save=${file}`);
  assert.equal(await pod.line(), "up");
  return { pod, uuid: Deno.readTextFileSync(file) };
}

for (
  const [words, gateway, ...flags] of [
    ["the default network", "172.16.28.1"],
    ["default-restricted", "172.31.0.1", "--net=default-restricted"],
    ["a network of net.d", "10.94.0.1", "--net=few"],
    ["a bridge", "10.93.0.1", "--net=switched"],
    ["a bridge with a port", "10.93.0.1", "--net=switched", "--port=web:8080"],
    [
      "the default network with ports",
      "172.16.28.1",
      "--port=web:8080",
      "--port=range:127.0.0.1:81",
    ],
  ]
) {
  Deno.test(`${words} is joined again as the first time, by another address`, async () => {
    const run = () => host.pod(world, SCRIPT, `--environment=GW=${gateway}`, ...flags);
    const first = await run();
    const address = addressIn(first);
    const addresses = new Set([address]);
    // But for addresses, indices and times, it is the same.
    const shape = ({ stdout }: Outcome, own: string) =>
      stdout.replaceAll(new RegExp(`\\b${own}\\b`, "g"), "OWN").replaceAll(
        /@\S+|<\S+>|time=\S+|([0-9a-f]{2}:){5}..|= [0-9./]+ ms/g,
        "",
      );
    for (let i = 0; i < 2; i++) {
      assert.ok(
        await isQuick(async () => {
          const outcome = await run();
          const own = addressIn(outcome);
          addresses.add(own);
          assert.equal(shape(outcome, own), shape(first, address));
        }),
      );
    }
    assert.equal(addresses.size, 3);
    assert.deepEqual(list(`${world.dataDir}/networks`), []);
    const rules = (await host.run("nft", "list", "ruleset")).stdout;
    for (const each of addresses) assert.ok(!rules.includes(`${each} `), rules);
  });
}

for (const name of ["few", "switched"]) {
  Deno.test(`a pod that was started again on ${name} shows its address, and forwards its port`, async () => {
    const flags = [`--net=${name}`, "--port=web:8080"];
    const serve = "nc.openbsd -nl 80 </dev/null & echo up; wait; exit 0";
    for (let i = 0; i < 3; i++) {
      const pod = host.start(world, serve, ...flags);
      assert.equal(await pod.line(), "up");
      const address = nth(taken(name), 0);
      const listed = await host.rkt(world, "list", "--full");
      assert.match(listed.stdout, new RegExp(`${name}:ip4=${address}\\b`));
      const rules = await host.output("nft", "list", "table", "inet", "rkt");
      assert.match(rules, new RegExp(`masqueraded4 {[^}]*${address} comment`));
      const record = nth(list(`${world.dataDir}/networks`), 0);
      assert.equal((await host.rkt(world, "status", "--check-net", record)).code, 0);
      assert.match(rules, new RegExp(`tcp \\. 8080 [^}]*: ${address} \\. 80`));
      const told = await host.sh(
        "until echo | nc.openbsd -nN 127.0.0.1 8080; do :; done; echo told",
      );
      assert.equal(told.stdout, "told\n");
      assert.equal((await pod.child.status).code, 0);
      assert.deepEqual(taken(name), []);
    }
  });
}

Deno.test("what has changed of a bridge is set right", async () => {
  const flags = ["--net=switched", "--environment=GW=10.93.0.1"];
  const run = async () => addressIn(await host.pod(world, SCRIPT, ...flags));
  await run();
  const changes: readonly (readonly [string, boolean])[] = [
    ["ip addr flush dev rkt-again", true],
    ["ip link set rkt-again down", false],
    ["ip link del rkt-again", false],
    // Somebody else's, which is joined all the same.
    ["ip link set rkt-again alias theirs", false],
  ];
  for (const [script, quick] of changes) {
    assert.ok(await isQuick(run), script);
    assert.equal((await host.sh(script)).stderr, "");
    assert.equal(await isQuick(run), quick, script);
  }
  // Without a pod it has no carrier: then it is up, and `ip -br` says DOWN.
  assert.match(
    await host.output("ip", "addr", "show", "rkt-again"),
    /[<,]UP[,>].* 10\.93\.0\.1\/24 /s,
  );
  assert.deepEqual(taken("switched"), []);
});

Deno.test("pods that are started again at once have an address each", async () => {
  const run = () => host.pod(world, "ip -o -4 address show eth0; exit 7", "--net=default");
  await run();
  assert.ok(
    await isQuick(async () => {
      const addresses = (await Promise.all(Array.from({ length: 8 }, run))).map(addressIn);
      assert.equal(new Set(addresses).size, 8);
    }),
  );
  assert.deepEqual(list(`${world.dataDir}/networks`), []);
});

Deno.test("a port of a pod that has just ended leads to the next one without the full way", async () => {
  const words = [RKT, ...world.flags, "run", NET, "--port=web:8086", "--", "-c", "exit 0"];
  const command = words.map((word) => `'${word}'`).join(" ");
  // One behind the other, in less than a tick of the kernel's.
  const runs = (times: number) =>
    host.sh(`i=0; while [ $i -lt ${times} ]; do ${command} || exit; i=$((i + 1)); done </dev/null`);
  assert.equal((await runs(2)).code, 0);
  assert.ok(
    await isQuick(async () => {
      const { code, stderr } = await runs(30);
      assert.equal(code, 0, stderr);
    }),
  );
});

Deno.test("what has changed on the host is set right", async () => {
  await few();
  const changes: readonly (readonly [string, string])[] = [
    ["rules are gone", "nft flush ruleset"],
    ["rules are gone, and the sets are there", "nft flush table inet rkt"],
    ["a set is gone", "nft flush table inet rkt; nft delete set inet rkt direct4"],
    ["nothing is forwarded", "echo 0 > /proc/sys/net/ipv4/ip_forward"],
    ["no address was ever given out", `rm -r ${world.dir}/ipam/few`],
    ["no pod was ever on a network", `rm -r ${world.dataDir}/networks`],
  ];
  for (const [what, script] of changes) {
    const { code, stderr } = await host.sh(script);
    assert.equal(code, 0, stderr);
    assert.ok(!await isQuick(async () => addressIn(await few())), what);
    assert.ok(await isQuick(async () => addressIn(await few())), what);
  }
  assert.equal((await host.sh("cat /proc/sys/net/ipv4/ip_forward")).stdout, "1\n");
  assert.deepEqual([taken(), list(`${world.dataDir}/pods/embryo`)], [[], []]);
});

Deno.test("configurations of networks are read each time", async () => {
  const flags = ["--net=default", "--environment=GW=127.0.0.1"];
  const address = async () => addressIn(await host.pod(world, SCRIPT, ...flags));
  for (let i = 0; i < 2; i++) assert.match(await address(), /^172\.16\.28\./);
  const ipam = { type: "host-local", dataDir: `${world.dir}/ipam`, subnet: "10.96.0.0/24" };
  writeNetwork(world, { name: "default", type: "ptp", ipam });
  for (let i = 0; i < 2; i++) assert.match(await address(), /^10\.96\.0\./);
  writeNetwork(world, { name: "default", type: "ptp", ipam: { ...ipam, subnet: "10.97.0.0/24" } });
  assert.match(await address(), /^10\.97\.0\./);
  Deno.writeTextFileSync(`${world.dir}/etc/net.d/default.conf`, "{");
  assert.match((await host.pod(world, SCRIPT, ...flags)).stderr, /^run: \S+\/default\.conf: /);
  Deno.removeSync(`${world.dir}/etc/net.d/default.conf`);
  assert.match(await address(), /^172\.16\.28\./);
});

Deno.test("addresses that others have are left to them, to the last", async () => {
  await few();
  const directory = `${world.dir}/ipam/few`;
  const last = `${directory}/last_reserved_ip.0`;
  Deno.writeTextFileSync(last, "10.94.0.3");
  for (const theirs of [4, 6]) {
    Deno.writeTextFileSync(`${directory}/10.94.0.${theirs}`, "other\r\neth0");
  }
  const next: string[] = [];
  for (let i = 0; i < 4; i++) {
    assert.ok(await isQuick(async () => next.push(addressIn(await few()))));
    assert.equal(Deno.readTextFileSync(last), next.at(-1));
  }
  assert.deepEqual(next, ["10.94.0.5", "10.94.0.2", "10.94.0.3", "10.94.0.5"]);
  for (const note of ["", "10.94.0.77", "nonsense"]) {
    Deno.writeTextFileSync(last, note);
    assert.equal(addressIn(await few()), "10.94.0.2");
    assert.equal(Deno.readTextFileSync(last), "10.94.0.2");
  }
  for (const theirs of [2, 3, 5]) Deno.writeTextFileSync(`${directory}/10.94.0.${theirs}`, "other");
  const full = await few();
  assert.equal(full.code, 254);
  assert.match(full.stderr, /^run: network "few": all addresses of [^\n]* are taken; [^\n]*\n$/);
  Deno.removeSync(directory, { recursive: true });
  assert.deepEqual([taken(), list(`${world.dataDir}/pods/embryo`)], [[], []]);
});

Deno.test("what a killed pod has left gives way", async () => {
  for (let i = 0; i < 2; i++) await few("--port=web:8080");
  const { pod } = await standing("--net=few", "--port=web:8080");
  await pod.end();
  // Its port is in the way, and its address as soon as somebody gives that back.
  assert.ok(!await isQuick(async () => addressIn(await few("--port=web:8080"))));
  const { pod: other } = await standing("--net=few");
  await other.end();
  const [address] = taken();
  Deno.removeSync(`${world.dir}/ipam/few/${address}`);
  // All addresses that are left, and one a second time.
  for (let i = 0; i < 5; i++) addressIn(await few());
  assert.equal((await host.rkt(world, "gc", "--grace-period=0s")).code, 0);
  assert.deepEqual([taken(), await host.output("nft", "list", "ruleset")], [[], ""]);
});

Deno.test("a port that another pod or program has is refused, and named, also the second time", async () => {
  const web = (at = "") => few(`--port=web:${at}8080`);
  const refused = async (message: RegExp, at = "") => {
    const { code, stderr } = await web(at);
    assert.equal(code, 254, stderr);
    assert.match(stderr, message);
    assert.deepEqual(list(`${world.dataDir}/pods/embryo`), []);
  };
  for (const at of ["", "127.0.0.1:"]) for (let i = 0; i < 2; i++) addressIn(await web(at));
  for (const at of ["", "127.0.0.1:"]) {
    const { pod, uuid } = await standing("--net=default", `--port=web:${at}8080`);
    const message = new RegExp(
      `^run: --port=web:.*8080: pod ${uuid.slice(0, 8)} has port 8080/tcp `,
    );
    await refused(message);
    await refused(message, "127.0.0.1:");
    await pod.stop();
  }
  const program = new Deno.Command("nsenter", {
    args: [`--net=${host.path}`, "nc.openbsd", "-nlv", "127.0.0.1", "8080"],
    stdin: "null",
    stderr: "piped",
  }).spawn();
  await program.stderr.getReader().read();
  await refused(new RegExp(`: nc.openbsd \\(PID ${program.pid}\\) listens on port 8080/tcp`));
  program.kill();
  await program.status;
  addressIn(await web()); // the table went with the last who failed
  assert.ok(await isQuick(async () => addressIn(await web())));
});

Deno.test("a start that fails once its network is joined gives it back before the full way is tried", async () => {
  const words = [...world.flags, `--local-config=${world.dir}/etc`, "run", NET, ...FEW];
  const command = [RKT, ...words, "--port=web:8080", "--", "-c", SCRIPT];
  for (let i = 0; i < 2; i++) addressIn(await few("--port=web:8080"));
  // The program can't be executed: what was joined for it is of no use.
  const refused = ["-e", "trace=execveat", "-e", "inject=execveat:error=EACCES:when=1"];
  assert.ok(
    !await isQuick(() => host.run("strace", "-qqo", "/dev/null", ...refused, ...command)),
  );
  assert.deepEqual([taken(), list(`${world.dataDir}/pods/embryo`)], [[], []]);
  assert.doesNotMatch(await host.output("nft", "list", "ruleset"), /8080/);
});

Deno.test("killed at any step of joining, rkt leaves nothing that gc does not take down", async () => {
  const again = () => few("--port=web:8080");
  const words = [...world.flags, `--local-config=${world.dir}/etc`, "run", NET, ...FEW];
  const command = [RKT, ...words, "--port=web:8080", "--", "-c", SCRIPT];
  for (let i = 0; i < 2; i++) await again();
  assert.ok(await isQuick(() => host.run("strace", "-qqo", "/dev/null", ...command)));
  // Two look for listeners, four make links, three look at rules, one sets them. The supervisor takes them down.
  const calls = ["unshare 1", "linkat 1", "memfd_create 1", "sendto 1"]
    .concat(Array.from({ length: 10 }, (_, i) => `sendmsg ${i + 1}`))
    .concat(Array.from({ length: 8 }, (_, i) => `writev ${i + 1}`).slice(0, 2));
  for (const call of calls) {
    const [name, count] = call.split(" ");
    const inject = `inject=${name}:signal=KILL:when=${count}`;
    const options = ["-qqo", "/dev/null", "-e", `trace=${name}`, "-e", inject];
    assert.ok(await isQuick(() => host.run("strace", ...options, ...command)));
    const collected = await host.rkt(world, "gc", "--grace-period=0s");
    assert.equal(collected.code, 0, collected.stderr);
    assert.deepEqual([taken(), list(`${world.dataDir}/pods/embryo`)], [[], []], call);
    assert.equal(await host.output("nft", "list", "ruleset"), "", call);
    addressIn(await again()); // makes the table
  }
});
