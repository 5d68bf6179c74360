/** `--userns`: whose users a pod has, for root and for other users. */
import assert from "node:assert/strict";
import { list, World } from "../world/pod_world.ts";
import { UserWorld } from "../world/user_world.ts";

let range: UserWorld;
let one: UserWorld;
let root: World;
Deno.test.beforeAll(async () => {
  [range, one, root] = [
    await UserWorld.make("range"),
    await UserWorld.make("one"),
    await World.make(),
  ];
});
Deno.test.afterAll(async () => {
  for (const world of [range, one, root]) await world[Symbol.asyncDispose]();
});

const WHO = "id -u; id -g; stat -c '%u:%g' / /srv/owned /bin/busybox; cat /proc/self/uid_map";

/** What a script says, with a directory of the user's own as a volume. */
async function say(world: UserWorld, userns: string, script: string, ...flags: string[]) {
  const volume = `--volume=mine,kind=host,source=${world.home}/shared`;
  const words = [`--userns=${userns}`, volume, "--mount=volume=mine,target=/mine", ...flags];
  const { code, stdout, stderr } = await world.run(script, ...words);
  assert.equal(code, 0, stderr);
  return stdout.trim().split("\n").map((line) => line.trim().replace(/\s+/g, " "));
}

const shared = (world: UserWorld) => {
  const path = `${world.home}/shared`;
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  Deno.chownSync(path, world.uid, world.uid);
  return path;
};

for (
  const [userns, uid, gid] of [["keep-id", 0, 0], ["uid=33:gid=34", 33, 34], [
    "uid=70000:gid=7",
    70_000,
    7,
  ]] as const
) {
  Deno.test(`--userns=${userns}: a user is himself in the pod, and what he writes is his`, async () => {
    const path = shared(range);
    const [user, group] = uid === 0 ? [range.uid, range.uid] : [uid, gid];
    const script = `${WHO}; echo x >/mine/new; stat -c %u:%g /mine /mine/new`;
    for (const flags of [[], ["--stdout=log"], ["--no-overlay"]]) {
      const said = await say(range, userns, script, ...flags);
      if (flags.includes("--stdout=log")) continue;
      assert.deepEqual(said.slice(0, 5), [`${user}`, `${group}`, "0:0", "1234:2345", "0:0"]);
      assert.deepEqual(said.slice(-2), [`${user}:${group}`, `${user}:${group}`]);
      assert.ok(said.includes(`${user} 0 1`), said.join("\n"));
      const { uid, gid } = Deno.statSync(`${path}/new`);
      assert.deepEqual([uid, gid], [range.uid, range.uid]);
      Deno.removeSync(`${path}/new`);
    }
    // Who else the image or a flag names is another user of his range.
    const other = await say(
      range,
      userns,
      "id -u; cat /mine/x 2>&1; touch /mine/new 2>&1; true",
      "--user=5",
      "--group=5",
    );
    assert.equal(other[0], "5");
    assert.match(other.join(" "), /mission denied/);
    assert.deepEqual(list(path), []);
  });
}

Deno.test("--userns=auto and --private-users: the pod's root is another user than its owner", async () => {
  shared(range);
  for (const flag of ["--userns=auto", "--private-users"]) {
    const { stdout, stderr, code } = await range.run(`${WHO}; ls /srv`, flag);
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n").map((line) => line.trim().replace(/\s+/g, " "));
    assert.deepEqual(lines.slice(0, 6), ["0", "0", "0:0", "1234:2345", "0:0", "0 1 65536"]);
  }
  const said = await say(range, "auto", "ls /mine 2>&1; touch /mine/new 2>&1; id -u");
  assert.match(said.join(" "), /mission denied.*mission denied.* 0$/);
});

Deno.test("--userns=host is what there is without it", async () => {
  shared(range);
  assert.ok((await say(range, "host", WHO)).includes(`0 ${range.uid} 1`));
});

Deno.test("pods with users of their own are entered, copied from and to, exported and removed", async () => {
  for (const userns of ["keep-id", "auto"]) {
    const name = `own-${userns}`;
    const child = await range.start(
      ...[name, "--net=none", `--userns=${userns}`, `${range.dir}/box.aci`, "--user=www"],
      ...["--group=www", "--", "-c", "echo text >/tmp/made; sleep 1000"],
    );
    const entered = await range.rkt(
      "enter",
      name,
      "/bin/sh",
      "-c",
      "stat -c %u:%g /tmp/made /srv/owned",
    );
    assert.equal(entered.stdout, "33:34\n1234:2345\n", entered.stderr);
    const out = await range.rkt("cp", `${name}:/tmp/made`, `${range.home}/made`);
    assert.equal(out.code, 0, out.stderr);
    const back = await range.rkt("cp", `${range.home}/made`, `${name}:/srv/back`);
    assert.equal(back.code, 0, back.stderr);
    Deno.removeSync(`${range.home}/made`);
    assert.equal((await range.rkt("stop", name)).code, 0);
    await child.status;
    const exported = await range.rkt("export", "--overwrite", name, `${range.home}/out.aci`);
    assert.equal(exported.code, 0, exported.stderr);
    const listing = await range.command([
      "tar",
      "-tvf",
      `${range.home}/out.aci`,
      "--numeric-owner",
    ]);
    assert.match(listing.stdout, /33\/34\s.*rootfs\/tmp\/made$/m);
    assert.match(listing.stdout, /1234\/2345\s.*rootfs\/srv\/owned$/m);
    const removed = await range.rkt("rm", name);
    assert.equal(removed.code, 0, removed.stderr);
  }
});

Deno.test("the network of a user's pod belongs to the pod's own users", async () => {
  const words = ["--userns=auto", `${range.dir}/box.aci`, "--", "-c", "busybox ip addr show eth0"];
  const { code, stdout, stderr } = await range.rkt("run", ...words);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /inet /);
});

Deno.test("root: auto is another range each time, keep-id changes nothing, uid= is root itself", async () => {
  const say = async (userns: string) =>
    (await root.output(WHO, `--userns=${userns}`)).split("\n").map((line) =>
      line.trim().replace(/\s+/g, " ")
    );
  for (const userns of ["host", "keep-id"]) assert.equal((await say(userns))[5], "0 0 4294967295");
  const [first, second] = [(await say("auto"))[5], (await say("auto"))[5]];
  assert.match(`${first}`, /^0 [1-9]\d* 65536$/);
  assert.notEqual(first, second);
  const kept = await say("uid=33:gid=34");
  assert.deepEqual(kept.slice(0, 5), ["33", "34", "0:0", "1234:2345", "0:0"]);
  assert.equal(kept[6], "33 0 1");
});

Deno.test("what --userns does not know, or a user has not been given, is refused in one line", async () => {
  const cases = [
    [range, "x", /"x" is not one of host, auto, keep-id, uid=UID:gid=GID/],
    [range, "uid=0:gid=5", /user 0 and group 0 go together only/],
    [range, "uid=1:gid=99999999999", /--userns/],
    [one, "keep-id", /take 65536 users for the pod, and you were not given so many/],
    [one, "auto", /take 65536 users for the pod, and you were not given so many/],
  ] as const;
  for (const [world, userns, message] of cases) {
    const { code, stderr } = await world.run("true", `--userns=${userns}`);
    assert.equal(code, 254, userns);
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
  const both = await range.run("true", "--userns=keep-id", "--private-users");
  assert.match(both.stderr, /exclude each other/);
  assert.equal((await one.run("true", "--userns=host")).code, 0);
});
