/** Trees that are indexes over the stored archives, next to trees that are extracted: nobody sees a difference. */
import assert from "node:assert/strict";
import { architectureLabel } from "../../src/appc/label.ts";
import { detachTrees } from "../../src/store/tree/mount_tree.ts";
import { treeRoot } from "../../src/store/tree/tree_root.ts";
import { RKT } from "../world/rkt.ts";
import { BOX, list, podUuid, UNSIGNED, World } from "../world/pod_world.ts";
import { only } from "../world/nth.ts";
import { until } from "../world/until.ts";

/** src/erofs/shared_mounts.ts */
const MOUNT_LOCK = "/run/rkt/trees.lock";

const KINDS = ["indexed", "extracted"] as const;
const LOOK =
  "stat -c '%n %F %a %u %g %s %Y %h %t,%T' / /bin/* /etc/passwd /etc/group /srv/* /private; cat /etc/passwd; " +
  "readlink /bin/sh";
const CHANGE =
  "rm /srv/plain; echo new > /srv/new; echo more >> /etc/group; chmod 700 /srv/script; ";

/** Every file system has its own sizes of directories. */
const withoutDirectorySizes = (text: string): string =>
  text.replace(/( directory \d+ \d+ \d+) \d+/g, "$1");

const treeId = ({ dataDir }: World): string => only(list(`${dataDir}/cas/tree`));
const isMounted = (world: World): boolean => treeRoot(world.dataDir, treeId(world))?.ready === true;
/** The lines of /proc/self/mountinfo about a world's trees. */
const mounts = (world: World): string[] => {
  const path = treeRoot(world.dataDir, treeId(world))?.path ?? "";
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n").filter((line) =>
    line.includes(` ${path} `)
  );
};
/** As after a reboot. */
const unmounted = ({ dataDir }: World): void => detachTrees(dataDir, () => true);

for (const flags of [[], ["--private-users"], ["--no-overlay"]]) {
  Deno.test(`an app sees and changes the same, however its tree is kept: ${flags.join("")}`, async () => {
    const outputs = new Set<string>();
    for (const kind of KINDS) {
      await using world = await World.make(kind);
      // Each world makes its files anew, so their times are others.
      const look = LOOK.replaceAll(" %Y", "");
      const before = await world.output(look, ...flags);
      outputs.add(withoutDirectorySizes(before + await world.output(CHANGE + look, ...flags)));
      const tree = treeRoot(world.dataDir, treeId(world));
      assert.equal(tree?.kind, kind === "indexed" ? "erofs" : "directory");
    }
    assert.equal(outputs.size, 1, [...outputs].join("\n---\n"));
  });
}

Deno.test("the times in an index are those of extraction", async () => {
  await using indexed = await World.make("indexed");
  await using extracted = await World.make("extracted");
  const file = await indexed.image("times", {});
  for (const world of [indexed, extracted]) {
    assert.equal((await world.rkt("--insecure-options=image", "fetch", file)).code, 0);
  }
  const look = ["--exec", "/bin/sh", "--", "-c", LOOK];
  const run = (world: World) => world.rkt("run", "--net=none", "example.com/times", ...look);
  const [a, b] = [await run(indexed), await run(extracted)];
  assert.equal(a.code, 0, a.stderr);
  // The root's own time is that of the layer above it.
  const lines = (text: string) =>
    withoutDirectorySizes(text).split("\n").filter((line) => !line.startsWith("/ "));
  assert.deepEqual(lines(a.stdout), lines(b.stdout));
});

Deno.test("a fetch finds out what the first start would have to", async () => {
  await using world = await World.make("indexed");
  const arch = architectureLabel(Deno.build.arch);
  const labels = Object.entries({ version: "3", os: "linux", arch }).map(([name, value]) => ({
    name,
    value,
  }));
  const file = await world.image("ready", {}, { labels });
  const fetched = await world.rkt("--insecure-options=image", "fetch", file);
  assert.equal(fetched.code, 0, fetched.stderr);
  const cas = `${world.dataDir}/cas`;
  assert.match(Deno.readTextFileSync(`${cas}/root-kind`), /^(overlay|copy) /);
  const known = () => list(`${cas}/resolved`).filter((name) => name.includes("ready"));
  const names = known();
  for (const version of ["", ":3"]) {
    const run = await world.rkt("run", "--net=none", `example.com/ready${version}`);
    assert.equal(run.code, 0, run.stderr);
  }
  assert.equal(names.length, 2, names.join());
  assert.deepEqual(known(), names, "the starts had nothing to find out");
});

Deno.test("a tree is mounted once for all pods, and reaches no other namespace", async () => {
  await using world = await World.make();
  await using first = await world.start("sleep 1000");
  unmounted(world);
  // All six have seen that it is not mounted, before one of them mounts it.
  const lock = await Deno.open(MOUNT_LOCK, { read: true });
  await lock.lock(true);
  const runs = Promise.all(
    Array.from({ length: 6 }, (_, i) => world.run("cat /srv/plain", `--hostname=h${i}`)),
  );
  const { ino } = await lock.stat();
  const waiting = () =>
    Deno.readTextFileSync("/proc/locks").split("\n")
      .filter((line) => line.includes("-> FLOCK") && line.includes(`:${ino} `)).length;
  await until(() => waiting() === 6, 60, "six starts that wait for the lock");
  lock.close();
  const outcomes = await runs;
  assert.deepEqual(new Set(outcomes.map(({ code }) => code)), new Set([0]));
  const line = only(mounts(world));
  assert.match(line, / ro,nosuid,nodev,noexec,/);
  assert.doesNotMatch(line, /shared:|master:/);
  // The pod that began before goes on with the mount that it has.
  assert.equal(first.child.pid > 0 && (await first.stop(), true), true);
});

Deno.test("repeated starts find the mount, and make it again where it is gone", async () => {
  await using world = await World.make();
  for (let i = 0; i < 3; i++) assert.equal(await world.output("echo $((1 + 1))"), "2\n");
  assert.ok(isMounted(world));
  unmounted(world);
  for (let i = 0; i < 3; i++) assert.equal(await world.output("echo $((1 + 1))"), "2\n");
  assert.ok(isMounted(world));
  assert.equal(mounts(world).length, 1);
});

Deno.test("pods that wait or have ended can be used after a reboot", async () => {
  await using world = await World.make();
  const prepared = await world.rkt("prepare", BOX, "--", "-c", "cat /srv/plain");
  assert.equal(prepared.code, 0, prepared.stderr);
  unmounted(world);
  const uuid = prepared.stdout.trim();
  const ran = await world.rkt("run-prepared", "--net=none", uuid);
  assert.deepEqual([ran.code, ran.stdout], [0, "no program\n"], ran.stderr);
  unmounted(world);
  const copied = await world.rkt("cp", `${uuid}:/srv/plain`, `${world.dir}/copy`);
  assert.equal(copied.code, 0, copied.stderr);
  assert.equal(Deno.readTextFileSync(`${world.dir}/copy`), "no program\n");
});

Deno.test("an image that is removed stays whole for the pods that have it", async () => {
  await using world = await World.make();
  await using pod = await world.start("read x; cat /srv/plain; sleep 1000");
  const removed = await world.rkt("image", "rm", BOX);
  assert.equal(removed.code, 0, removed.stderr);
  const collected = await world.rkt("image", "gc", "--grace-period=0s");
  assert.equal(collected.code, 0, collected.stderr);
  assert.ok(isMounted(world));
  const uuid = podUuid(only(world.pods()));
  const copied = await world.rkt("cp", `${uuid}:/bin/busybox`, `${world.dir}/copy`);
  assert.equal(copied.code, 0, copied.stderr);
  assert.deepEqual(
    Deno.readFileSync(`${world.dir}/copy`),
    Deno.readFileSync(`${world.root}/bin/busybox`),
  );
  await pod.stop();
  const rm = await world.rkt("rm", uuid);
  assert.equal(rm.code, 0, rm.stderr);
  const path = treeRoot(world.dataDir, treeId(world))?.path ?? "";
  assert.equal((await world.rkt("image", "gc", "--grace-period=0s")).code, 0);
  assert.deepEqual([list(`${world.dataDir}/cas/tree`), list(path)], [[], []]);
});

Deno.test("image gc detaches a mount that a killed start has left", async () => {
  await using world = await World.make();
  assert.equal(await world.output("true"), "");
  assert.ok(isMounted(world));
  const path = treeRoot(world.dataDir, treeId(world))?.path ?? "";
  for (const pod of world.pods()) assert.equal((await world.rkt("rm", podUuid(pod))).code, 0);
  assert.ok(isMounted(world), "the next start is to find it");
  assert.equal((await world.rkt("image", "gc", "--grace-period=1h")).code, 0);
  assert.deepEqual(list(path), []);
  assert.equal(await world.output("echo again"), "again\n");
});

Deno.test("loop devices serve where the kernel has nothing else, and go with the mount", async () => {
  await using world = await World.make();
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  Deno.writeTextFileSync(`${world.dataDir}/cas/index-method`, `loop ${boot}\n`);
  assert.equal(await world.output("cat /srv/plain"), "no program\n");
  assert.match(only(mounts(world)), / erofs \/dev\/loop\d+ /);
});

Deno.test("where /run can't be written, trees are extracted; one that is an index is refused with what to do", async () => {
  await using world = await World.make();
  const script = 'mount -t tmpfs -o ro none /run && exec "$@"';
  const run = (dataDir: string, image: string) =>
    new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script, "sh", RKT, `--dir=${dataDir}`, UNSIGNED, "run", "--net=none"]
        .concat(image, "--exec=/bin/true"),
    }).output();
  const { code, stderr } = await run(world.dataDir, BOX);
  assert.equal(code, 254);
  const text = new TextDecoder().decode(stderr);
  assert.match(text, /can't be mounted: '\/run\/rkt': read-only .*make it writable\n$/);
  const other = await run(`${world.dir}/other`, `${world.dir}/box.aci`);
  assert.equal(other.code, 0, new TextDecoder().decode(other.stderr));
});

Deno.test("image list and status say how trees are kept", async () => {
  for (const [kind, word] of [["indexed", "erofs"], ["extracted", "directory"]] as const) {
    await using world = await World.make(kind);
    await using pod = await world.start("sleep 1000");
    const listed = await world.rkt("image", "list", "--full", "--no-legend");
    assert.match(listed.stdout, new RegExp(`\\t${word}\\s*$|\\s${word}\\s*$`));
    const status = await world.rkt("status", podUuid(only(world.pods())));
    assert.match(status.stdout, new RegExp(`^root-box=${word}$`, "m"));
    await pod.stop();
  }
});
