/** `rkt image inspect`: images of the store and files, explained. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { BOX, World } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";
import { nth } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The lines of a text by their subjects. */
function subjects(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let subject = "";
  for (const line of text.trimEnd().split("\n")) {
    subject = line.slice(0, 16).trim() || subject;
    found.set(subject, [...found.get(subject) ?? [], line.slice(16)]);
  }
  return found;
}

Deno.test("rkt image inspect tells of an image in the store what it is, runs and may do", async () => {
  const { code, stdout, stderr } = await world.rkt("image", "inspect", BOX);
  assert.equal(code, 0, stderr);
  const found = subjects(stdout);
  assert.deepEqual(found.get("name"), [BOX]);
  assert.match(found.get("id")?.[0] ?? "", /^sha512-[0-9a-f]{128}$/);
  assert.match(found.get("labels")?.[0] ?? "", /os=linux/);
  assert.deepEqual(found.get("command"), ['["/bin/sh"]']);
  assert.deepEqual(found.get("beyond default"), ["nothing"]);
  assert.deepEqual(found.get("less"), ["nothing"]);
});

/** An image in a file, whose app says something of everything. */
function demanding(): string {
  const app = {
    exec: ["/bin/x"],
    user: "33",
    group: "33",
    environment: [{ name: "A", value: "b c" }],
    mountPoints: [{ name: "data", path: "/data", readOnly: true }],
    ports: [{ name: "web", protocol: "tcp", port: 80 }],
    isolators: [
      {
        name: "os/linux/capabilities-retain-set",
        value: { set: ["CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN"] },
      },
      {
        name: "os/linux/seccomp-remove-set",
        value: { set: ["socket", "no_such"], errno: "EPERM" },
      },
      { name: "os/linux/apparmor-profile", value: { profile: "web" } },
    ],
  };
  return testImage(world.dir, { name: "example.com/demanding", manifest: { app } });
}

Deno.test("rkt image inspect --security says what is beyond the default and what is less", async () => {
  const { code, stdout, stderr } = await rkt("image", "inspect", "--security", demanding());
  assert.equal(code, 0, stderr);
  const found = subjects(stdout);
  assert.deepEqual([...found.keys()], ["beyond default", "less", "to accept"]);
  const [more, less] = [found.get("beyond default") ?? [], found.get("less") ?? []];
  assert.equal(more[0], "capabilities: SYS_ADMIN");
  assert.match(nth(more, 1), /^system calls: .*mounting \(11\).*keyrings \(3\)/);
  assert.match(nth(less, 0), /^no capabilities: AUDIT_WRITE, CHOWN, .*SYS_CHROOT$/);
  assert.deepEqual(less.slice(1), [
    "no system calls: socket",
    "no privileges by setuid files",
    "no capability by itself, as user 33",
    "confined by AppArmor as web",
    "(there is no system call no_such)",
  ]);
});

Deno.test("rkt image inspect --format=json is for programs", async () => {
  const { stdout } = await rkt("image", "inspect", "--format=json", demanding());
  const found = JSON.parse(stdout);
  assert.equal(found.name, "example.com/demanding");
  assert.deepEqual(found.signed_by, []);
  assert.equal(found.security.beyond_default[0], "capabilities: SYS_ADMIN");
  assert.equal(found.security.must_be_accepted[0], "capabilities SYS_ADMIN");
  assert.equal(found.manifest.app.user, "33");
  const text = (await rkt("image", "inspect", demanding())).stdout;
  const lines = subjects(text);
  assert.deepEqual(lines.get("mount point"), ["data at /data, read-only"]);
  assert.deepEqual(lines.get("port"), ["web: tcp 80"]);
  assert.equal(lines.get("isolator")?.length, 3);
});

Deno.test("rkt image inspect refuses what is no image", async () => {
  const missing = await world.rkt("image", "inspect", "example.com/none");
  assert.equal(missing.code, 254);
  assert.match(missing.stderr, /is not in the store/);
});

Deno.test("rkt run --dry-run ends with what the app may do beyond the default, and what less", async () => {
  const flags = ["--caps-retain=CAP_SYS_TIME", "--readonly-rootfs", "--user=5", "--group=5"];
  const { stdout } = await world.run("true", "--dry-run", ...flags);
  const end = stdout.slice(stdout.indexOf("    beyond default"));
  assert.match(
    end,
    /^ {4}beyond default {2}capabilities: SYS_TIME\n {20}system calls: setting clocks/,
  );
  assert.match(end, /\n {4}less {12}no capabilities: .*\n(.*\n)* {20}no writing to its root\n\n# /);
});
