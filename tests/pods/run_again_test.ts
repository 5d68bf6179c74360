/** The same command line once more: rkt remembers what it worked out, and must notice when that has changed. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { BOX, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { keptStarts, startEntries, textOf } from "../world/start_entries.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** What a script prints, three times: the first run finds out about the place, the second is remembered. */
async function thrice(script: string, ...flags: string[]): Promise<string[]> {
  const printed: string[] = [];
  for (let i = 0; i < 3; i++) printed.push(await world.output(script, ...flags));
  return printed;
}

Deno.test("each run has its own UUID, host name and pod directory", async () => {
  const file = `${world.dir}/uuid`;
  const uuids = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const script = "hostname; cat /etc/hostname; touch /new 2>/dev/null; ls /new; rm -f /none";
    const printed = await world.output(script, `--uuid-file-save=${file}`);
    const uuid = Deno.readTextFileSync(file);
    assert.equal(printed, `rkt-${uuid}\nrkt-${uuid}\n/new\n`);
    const pod = `${world.dataDir}/pods/run/${uuid}`;
    assert.ok(Deno.statSync(`${pod}/pod`).isFile);
    assert.equal(Deno.readTextFileSync(`${pod}/stage1/rootfs/rkt/status/box`), "0");
    uuids.add(uuid);
  }
  assert.equal(uuids.size, 3);
});

Deno.test("the directory of a pod says whose supervisor it has, each time", async () => {
  const file = `${world.dir}/uuid`;
  for (let i = 0; i < 3; i++) {
    const pod = await world.start("sleep 1000", `--uuid-file-save=${file}`);
    const uuid = Deno.readTextFileSync(file);
    assert.equal(Number(Deno.readTextFileSync(`${world.dataDir}/pods/run/${uuid}/ppid`)), pod.pid);
    await pod.end();
  }
});

Deno.test("texts of the command line are not taken for what rkt fills in", async () => {
  // Some are what rkt's own programs could use as marks.
  for (const text of ["@supervisor", "@uuid", "UUID", "%s", "$0", "@@"]) {
    const expected = `${text}|${text}\n`;
    const printed = await thrice(`echo '${text}'"|$A"`, `--environment=A=${text}`);
    assert.deepEqual(printed, [expected, expected, expected]);
  }
});

Deno.test("an image that is fetched anew under its name is the one that runs", async () => {
  const fetch = async (text: string) => {
    const app = { exec: ["/bin/cat", "/text"], user: "0", group: "0" };
    const file = testImage(world.dir, {
      name: "example.com/renewed",
      shell: true,
      files: { text },
      manifest: { app },
    });
    const { code, stderr } = await world.rkt("--insecure-options=image", "fetch", file);
    assert.equal(code, 0, stderr);
  };
  const run = () =>
    world.rkt(
      "run",
      "--net=none",
      "example.com/renewed",
      "--exec=/bin/busybox",
      "--",
      "cat",
      "/text",
    );
  for (const text of ["one\n", "two\n"]) {
    await fetch(text);
    for (let i = 0; i < 3; i++) assert.equal((await run()).stdout, text);
  }
  await world.rkt("gc", "--grace-period=0s");
  assert.equal((await world.rkt("image", "rm", "example.com/renewed")).code, 0);
  await world.rkt("image", "rm", "example.com/renewed");
  const { code, stderr } = await run();
  assert.equal(code, 254);
  assert.match(stderr, /^run: .*example\.com\/renewed/);
});

Deno.test("a volume's source is looked at each time", async () => {
  const source = `${world.dir}/source`;
  const flags = [`--volume=v,kind=host,source=${source}`, "--mount=volume=v,target=/v"];
  const script = "[ -d /v ] && echo directory; [ -f /v ] && echo file; true";
  Deno.mkdirSync(source);
  assert.deepEqual(await thrice(script, ...flags), ["directory\n", "directory\n", "directory\n"]);
  Deno.removeSync(source);
  const { code, stderr } = await world.run(script, ...flags);
  assert.equal(code, 254);
  assert.match(stderr, /^run: app "box": volume "v": there is no .*\n$/);
  Deno.writeTextFileSync(source, "");
  assert.deepEqual(await thrice(script, ...flags), ["file\n", "file\n", "file\n"]);
});

Deno.test("files and variables of the environment are read each time", async () => {
  const file = `${world.dir}/variables`;
  for (const value of ["one", "two"]) {
    Deno.writeTextFileSync(file, `A=${value}\n`);
    const printed = await thrice("echo $A", `--set-env-file=${file}`);
    assert.deepEqual(printed, [`${value}\n`, `${value}\n`, `${value}\n`]);
    const { stdout } = await new Deno.Command(RKT, {
      args: world.words("echo $B", "--inherit-env"),
      env: { B: value },
      stdin: "null",
    }).output();
    assert.equal(new TextDecoder().decode(stdout), `${value}\n`);
  }
});

Deno.test("relative paths mean what they mean in the directory that rkt is started in", async () => {
  const words = (script: string) => world.words(script).slice(1);
  const from = async (cwd: string) => {
    const { code } = await new Deno.Command(RKT, {
      args: ["--dir=data", ...words("exit 6")],
      cwd,
      stdin: "null",
      stderr: "null",
    }).output();
    return code;
  };
  Deno.mkdirSync(`${world.dir}/elsewhere`);
  for (let i = 0; i < 3; i++) {
    assert.equal(await from(world.dir), 6);
    assert.equal(await from(`${world.dir}/elsewhere`), 254);
  }
});

Deno.test("a kept start that is damaged is worked out again, and kept again", async () => {
  const script = "echo works";
  const damages: Readonly<Record<string, (path: string) => void>> = {
    empty: (path) => Deno.writeTextFileSync(path, ""),
    halved: (path) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2)),
    "another text": (path) => Deno.writeTextFileSync(path, "{}"),
    removed: (path) => Deno.removeSync(path),
    "one bit in the program": (path) => flip(path, Deno.statSync(path).size - 4000),
    "one bit in the key": (path) => flip(path, 100),
    "one bit in the replay": (path) => flip(path, 1000),
    "longer than it says": (path) => Deno.writeTextFileSync(path, "x", { append: true }),
  };
  for (const flags of [[], ["--private-users"]]) {
    for (const [how, damage] of Object.entries(damages)) {
      await thrice(script, ...flags);
      const kept = keptStarts(world.dataDir);
      await world.output(script, ...flags);
      assert.equal(keptStarts(world.dataDir), kept, "nothing is kept");
      for (const path of startEntries(world.dataDir)) damage(path);
      // A file that was written to is another one already.
      const damaged = keptStarts(world.dataDir);
      assert.deepEqual(await thrice(script, ...flags), ["works\n", "works\n", "works\n"], how);
      assert.notEqual(keptStarts(world.dataDir), damaged, how);
    }
  }
});

/** Changes a bit of a file. */
function flip(path: string, at: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  Deno.writeFileSync(path, bytes);
}

Deno.test("apps of the same image in one pod are started again as the first time", async () => {
  const words = ["run", "--net=none", BOX, "--name=one", "--", "-c", "exit 0"];
  for (let i = 0; i < 3; i++) {
    const { code } = await world.rkt(...words, "---", BOX, "--name=two", "--", "-c", "exit 8");
    assert.equal(code, 8);
  }
});

Deno.test("each run with users of the pod's own has others, which stand everywhere", async () => {
  const file = `${world.dir}/uuid`;
  const seen = new Set<string>();
  const flags = ["--private-users", "--volume=e,kind=empty,uid=33,gid=34", "--user=33"];
  const script = "busybox head -1 /proc/self/uid_map | busybox xargs; touch /e/new; " +
    "stat -c %u:%g / /e /srv/owned /dev/null";
  for (let i = 0; i < 3; i++) {
    const mount = ["--mount=volume=e,target=/e", `--uuid-file-save=${file}`];
    const printed = await world.output(script, ...flags, ...mount);
    const pod = `${world.dataDir}/pods/run/${Deno.readTextFileSync(file)}`;
    const [shift = ""] = Deno.readTextFileSync(`${pod}/private-users-prepared`).split(":");
    assert.equal(printed, `0 ${shift} 65536\n0:0\n33:34\n1234:2345\n0:0\n`);
    assert.equal(Deno.statSync(`${pod}/sharedVolumes/e/new`).uid, Number(shift) + 33);
    assert.equal(Deno.statSync(`${pod}/overlay/box/upper`).uid, Number(shift));
    seen.add(shift);
  }
  assert.equal(seen.size, 3);
  // The later ones were started from what the first one worked out.
  const withUsers = startEntries(world.dataDir).filter((path) =>
    textOf(path).includes("private-users-prepared")
  );
  assert.ok(withUsers.length > 0);
});
