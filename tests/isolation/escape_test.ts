/** Ways out of other runtimes, tried against this one. */
import assert from "node:assert/strict";
import { makeRoot, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
let hostile: string;
Deno.test.beforeAll(async () => {
  world = await World.make();
  const root = `${world.dir}/hostile`;
  makeRoot(root);
  Deno.mkdirSync(`${root}/dev`);
  for (
    const [link, to] of [
      ["into-proc", "/proc"],
      ["into-volume", "/v"],
      ["dev/null", "/proc/sys/kernel/core_pattern"],
      ["dev/console", "/proc/sys/kernel/core_pattern"],
      ["bin/self", "/proc/self/exe"],
    ] as const
  ) Deno.symlinkSync(to, `${root}/${link}`);
  hostile = "example.com/hostile";
  const file = await world.build("hostile.aci", ["--name", hostile, "--exec", "/bin/sh"], root);
  assert.equal((await world.rkt("--insecure-options=image", "fetch", file)).code, 0);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const run = (script: string, ...flags: readonly string[]) =>
  world.rkt("run", "--net=none", hostile, ...flags, "--", "-c", script);

Deno.test("CVE-2021-30465, CVE-2025-52881: no link of an image leads a volume into /proc, or out of the place that is known", async () => {
  const volumes = ["--volume=v,kind=empty", "--volume=w,kind=empty", "--mount=volume=v,target=/v"];
  const at = (target: string, script: string) =>
    run(script, ...volumes, `--mount=volume=w,target=${target}`);
  const proc = await at("/into-proc", "true");
  assert.equal(proc.code, 254);
  assert.match(proc.stderr, /no volume can be mounted on \/into-proc, which leads to \/proc/);
  // The image's link is followed before there is a pod: the volume lies in the other one, as if that place had been named.
  const { code, stdout, stderr } = await at(
    "/into-volume/x",
    "grep -c ' /v/x ' /proc/self/mountinfo",
  );
  assert.deepEqual([code, stdout], [0, "1\n"], stderr);
});

Deno.test("CVE-2025-31133, CVE-2025-52565: what an image has in /dev is not used to cover or to mount on", async () => {
  const before = Deno.readTextFileSync("/proc/sys/kernel/core_pattern");
  const { code, stdout } = await run(
    "cat /proc/keys; echo x > /dev/null; echo x > /dev/console; echo $?",
  );
  assert.deepEqual([code, stdout], [0, "0\n"]);
  assert.equal(Deno.readTextFileSync("/proc/sys/kernel/core_pattern"), before);
});

Deno.test("CVE-2024-21626: no descriptor leads a working directory or program out", async () => {
  // The last one is the caller's own, of the host's root; the others are what rkt may have open at that moment.
  for (const descriptor of [...Array.from({ length: 30 }, (_, i) => i + 3), 200]) {
    const path = `/proc/self/fd/${descriptor}`;
    for (const flags of [[`--working-dir=${path}`], [`--exec=${path}/bin/sh`]]) {
      const words = ["run", "--net=none", hostile, ...flags, "--", "-c", "echo OUT; pwd"];
      const command = new Deno.Command("bash", {
        args: ["-c", 'exec 200</ "$0" "$@"', RKT, ...world.flags, ...words],
        stdin: "null",
      });
      const { code, stdout, stderr } = await command.output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assert.deepEqual([code, out], [254, ""], `${flags}: ${err}`);
      assert.match(err ?? "", /^stage1: .*(ENOENT|ENOTDIR|EXDEV|ELOOP|EACCES)/, `${flags}`);
    }
  }
});

Deno.test("CVE-2019-5736: the executable of init and supervisor can't be written to", async () => {
  const pod = await world.start(
    "for p in /proc/1/exe /proc/self/exe; do echo x > $p; done 2>/dev/null; echo tried; sleep 1000",
  );
  assert.equal(await pod.line(), "tried");
  const head = (pid: number) => Deno.readFileSync(`/proc/${pid}/exe`).subarray(0, 4);
  for (const pid of [pod.init, pod.pid]) {
    assert.deepEqual([...head(pid)], [0x7f, 0x45, 0x4c, 0x46]);
    // Sealed: not even root of the host gets to write.
    assert.throws(() => Deno.openSync(`/proc/${pid}/exe`, { write: true }));
  }
  await pod.end();
});

Deno.test("CVE-2019-19921, CVE-2023-27561: an image whose /proc and /sys are links gets its own, or does not start", async () => {
  const root = `${world.dir}/linked`;
  makeRoot(root);
  for (const name of ["proc", "sys", "dev"]) Deno.symlinkSync("/srv", `${root}/${name}`);
  const words = ["--name", "example.com/linked", "--exec", "/bin/sh"];
  const file = await world.build("linked.aci", words, root);
  const image = ["--insecure-options=image", "run", "--net=none", file];
  const { code, stdout, stderr } = await world.rkt(...image, "--", "-c", "echo started");
  assert.deepEqual([code, stdout], [254, ""]);
  assert.match(stderr, /^stage1: [^\n]*\/(proc|sys|dev)[^\n]*\n$/);
});

Deno.test("CVE-2022-24769: no process of an app begins with inheritable or ambient capabilities", async () => {
  const script = "grep -E '^Cap(Inh|Amb)' /proc/self/status | busybox awk '{ print $2 }'";
  for (const flags of [[], ["--user=33"], ["--caps-retain=CAP_SYS_ADMIN"]]) {
    const { stdout, stderr } = await run(script, ...flags);
    assert.match(stdout, /^0{16}\n0{16}\n$/, stderr);
  }
});

Deno.test("CVE-2022-0811: a sysctl names nothing but its own file, and its value is no second one", async () => {
  const before = Deno.readTextFileSync("/proc/sys/kernel/core_pattern");
  for (
    const sysctl of [
      { "kernel.shm_rmid_forced": "1+kernel.core_pattern=x" },
      { "net./../kernel/core_pattern": "x" },
      { "net...kernel.core_pattern": "x" },
      { "kernel.core_pattern": "x" },
    ]
  ) {
    const isolators = [{ name: "os/unix/sysctl", value: sysctl }];
    const path = `${world.dir}/sysctl.json`;
    const { stdout } = await world.rkt("image", "list", "--format=json");
    const images: readonly { readonly id: string; readonly name: string }[] = JSON.parse(stdout);
    const image = { id: images.find(({ name }) => name.startsWith(hostile))?.id };
    const app = { exec: ["/bin/true"], user: "0", group: "0" };
    const manifest = { acKind: "PodManifest", acVersion: "0.8.11", isolators };
    const text = JSON.stringify({ ...manifest, apps: [{ name: "a", image, app }] });
    Deno.writeTextFileSync(path, text);
    const { code, stderr } = await world.rkt("run", "--net=none", `--pod-manifest=${path}`);
    assert.equal(code, 254, `${text}: ${stderr}`);
    assert.match(stderr, /^[a-z0-9]+: [^\n]+\n$/);
  }
  assert.equal(Deno.readTextFileSync("/proc/sys/kernel/core_pattern"), before);
});
