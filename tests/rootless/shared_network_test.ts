/** Networks that pods of a user share: bridges in one namespace, with one pasta, which end with the last pod. */
import assert from "node:assert/strict";
import { list } from "../world/pod_world.ts";
import { until } from "../world/until.ts";
import { UserWorld } from "../world/user_world.ts";

const NETWORK = {
  cniVersion: "0.4.0",
  name: "mine",
  type: "bridge",
  bridge: "mine0",
  isDefaultGateway: true,
  ipMasq: true,
  ipam: { type: "host-local", subnet: "10.99.0.0/24" },
};

/** A user with networks of his own. */
async function makeWorld(mode: "range" | "one"): Promise<UserWorld> {
  const world = await UserWorld.make(mode);
  const directory = `${world.home}/.config/rkt/net.d`;
  const script = `mkdir -p ${directory} && printf '%s' "$0" >${directory}/10-mine.conf && ` +
    `printf '%s' "$1" >${directory}/20-other.conf && printf '%s' "$2" >${directory}/30-full.conf`;
  const other = { ...NETWORK, name: "other", type: "macvlan", master: "eth0" };
  const ipam = { ...NETWORK.ipam, rangeStart: "10.99.0.1", rangeEnd: "10.99.0.1" };
  const full = { ...NETWORK, name: "full", bridge: "full0", ipam };
  const { code, stderr } = await world.command(
    ["sh", "-c", script, ...[NETWORK, other, full].map((each) => JSON.stringify(each))],
  );
  assert.equal(code, 0, stderr);
  return world;
}

/** The names of the user's processes, sorted. */
function processes(uid: number): readonly string[] {
  return list("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      if (Deno.statSync(`/proc/${pid}`).uid !== uid) return [];
      return [Deno.readTextFileSync(`/proc/${pid}/comm`).trim()];
    } catch {
      return []; // it has ended
    }
  }).sort();
}

const holders = (world: UserWorld) =>
  processes(world.uid).filter((name) => /^(pasta|passt|rkt-network)/.test(name)).length;

const SERVER = "echo hello >/srv/index.html; exec busybox httpd -f -p 80 -h /srv";

/** A pod's address in the network. */
async function addressOf(world: UserWorld, pod: string): Promise<string> {
  const words = ["enter", pod, "/bin/busybox", "ip", "-4", "-o", "addr", "show", "eth0"];
  const { stdout, stderr } = await world.rkt(...words);
  const address = /inet ([0-9.]+)/.exec(stdout)?.[1];
  assert.ok(address !== undefined, stderr);
  return address;
}

for (const mode of ["range", "one"] as const) {
  Deno.test(`pods of a user reach each other in a network of his, which ends with them: ${mode}`, async () => {
    await using world = await makeWorld(mode);
    const image = `${world.dir}/box.aci`;
    const [one, two] = await Promise.all(
      ["one", "two"].map((name) => world.start(name, "--net=mine", image, "--", "-c", SERVER)),
    );
    assert.equal(holders(world), 2, processes(world.uid).join(" "));
    const [first, second] = [await addressOf(world, "one"), await addressOf(world, "two")];
    assert.notEqual(first, second);
    const script =
      `busybox wget -q -O - http://${first}/; busybox wget -q -O - http://${second}/; ` +
      "busybox ip route; ls /sys/class/net";
    const asked = await world.rkt("run", "--net=mine", image, "--", "-c", script);
    assert.match(asked.stdout, /^hello\nhello\ndefault via 10\.99\.0\.1 dev eth0/, asked.stderr);
    assert.match(asked.stdout, /^eth0$/m);

    // A pod that is killed leaves its address and its file, until `rkt gc`.
    one?.kill("SIGKILL");
    await one?.status;
    assert.equal((await world.rkt("stop", "two")).code, 0);
    await two?.status;
    assert.equal(holders(world), 2, processes(world.uid).join(" "));
    const gc = await world.rkt("gc", "--grace-period=0s");
    assert.equal(gc.code, 0, gc.stderr);
    await until(() => holders(world) === 0, 60, "the network's end");
    assert.deepEqual(
      list(`${world.data}/shared-network/addresses/mine`).filter((name) => /^10/.test(name)),
      [],
    );
    assert.deepEqual(list(`${world.data}/pasta`), []);
    assert.deepEqual(list(`${world.data}/networks`), []);
    assert.deepEqual(processes(world.uid), []);
  });
}

Deno.test("what a user's networks can't be is refused in one line, and leaves no network", async () => {
  await using world = await makeWorld("one");
  const image = await world.build(
    "web",
    ["--exec=/bin/sh", "--port=http,protocol=tcp,port=80"],
    "root",
  );
  const cases: readonly (readonly [words: readonly string[], said: RegExp])[] = [
    [
      ["--net=mine", "--port=http:8080", image],
      /--port=http: without root ports lead to pods of --net=default only/,
    ],
    [
      ["--net=other", image],
      /--net=other: .*type "macvlan" takes the host's root; .* bridge and ptp/,
    ],
    [
      ["--net=none-such", image],
      /there is no network "none-such"; there are mine, other, full, default, default-restricted/,
    ],
    [["--net=mine", `${world.home}/none.aci`], /none\.aci/],
    [["--net=full", image], /network "full": .*10\.99\.0\.1/],
  ];
  for (const [words, said] of cases) {
    const { code, stderr } = await world.rkt("run", ...words);
    assert.equal(code, 254, stderr);
    assert.match(stderr, said);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    await until(() => holders(world) === 0, 60, "the network's end");
    assert.deepEqual(list(`${world.data}/pods/embryo`), []);
  }
});
