/** What an app can do and what it can't, tried by the program in testdata/probe: by default, and with each isolator. */
import assert from "node:assert/strict";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { BOX } from "../world/pod_world.ts";
import { DEFAULT_VERDICTS, POSSIBLE_FOR_USERS } from "./expected_probes.ts";
import { PROBE, ProbeWorld, type Verdicts } from "../world/probe_world.ts";

let world: ProbeWorld;
Deno.test.beforeAll(async () => {
  world = await ProbeWorld.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const VOLUME = ["--volume=v,kind=empty,mode=0777", "--mount=volume=v,target=/volume"];

/** The lines that are other than expected. */
function differences(seen: Verdicts, expected: Readonly<Record<string, string>>): string[] {
  return Object.entries(expected)
    .filter(([name, verdict]) => !verdict.split("|").includes(seen.get(name) ?? "nothing"))
    .map(([name, verdict]) => `${name}: ${seen.get(name)}, not ${verdict}`);
}

Deno.test("an app can do what the table says, and nothing else", async () => {
  const seen = await world.run([], PROBE, ...VOLUME);
  assert.deepEqual([...seen.keys()].toSorted(), Object.keys(DEFAULT_VERDICTS).toSorted());
  assert.ok(seen.size >= 60);
  assert.deepEqual(differences(seen, DEFAULT_VERDICTS), []);
});

Deno.test("the second ABI of the machine is refused where it has one", async () => {
  const names = ["i386 getpid", "i386 unshare", "x32 getpid"];
  const here = world.onHost(...names);
  const seen = await world.run([], PROBE, "--", ...names);
  for (const name of ["i386 getpid", "i386 unshare"]) {
    // On machines that switch it off, its door is closed by the processor.
    assert.equal(seen.get(name), here.get(name) === "SIGSEGV" ? "SIGSEGV" : "SIGSYS");
  }
  assert.equal(seen.get("x32 getpid"), "ENOSYS");
});

Deno.test("an app of another user can do less", async () => {
  const seen = await world.run([], PROBE, "--user=1000", "--group=1000", ...VOLUME);
  const possible = [...seen].filter(([, verdict]) => verdict === "ok").map(([name]) => name);
  assert.deepEqual(possible.filter((name) => !POSSIBLE_FOR_USERS.has(name)), []);
  assert.equal(seen.get("setuid program"), "stays");
  assert.equal(seen.get("double chroot"), "EPERM");
});

/**
 * Capabilities of which the probe's preparations make use. Those that only other parts of the kernel ask for
 * (CAP_MAC_ADMIN and the like), or that only raise limits, have no probe.
 */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  CAP_CHOWN: [],
  CAP_DAC_OVERRIDE: ["CAP_CHOWN", "CAP_FOWNER"],
  CAP_DAC_READ_SEARCH: [],
  CAP_FOWNER: ["CAP_CHOWN"],
  CAP_FSETID: ["CAP_CHOWN"],
  CAP_KILL: ["CAP_SETUID"],
  CAP_SETGID: [],
  CAP_SETUID: [],
  CAP_SETPCAP: [],
  CAP_NET_BIND_SERVICE: [],
  CAP_NET_ADMIN: [],
  CAP_NET_RAW: [],
  CAP_IPC_LOCK: [],
  CAP_IPC_OWNER: [],
  CAP_SYS_MODULE: [],
  CAP_SYS_CHROOT: [],
  CAP_SYS_ADMIN: [],
  CAP_SYS_BOOT: [],
  CAP_SYS_NICE: [],
  CAP_SYS_TIME: [],
  CAP_SYS_TTY_CONFIG: [],
  CAP_LEASE: ["CAP_CHOWN"],
  CAP_SETFCAP: [],
  CAP_SYSLOG: [],
  CAP_WAKE_ALARM: [],
};

/** The verdicts of these probes, in this order. */
const of = (seen: Verdicts, names: readonly string[]) => names.map((name) => seen.get(name));

/** One pod with an app for each capability, which tries that capability's probe. */
async function each(flags: (capability: string) => readonly string[]): Promise<Verdicts> {
  const apps = Object.keys(ALSO).map((capability) => [
    PROBE,
    `--name=${capability.toLowerCase().replaceAll("_", "-")}`,
    ...flags(capability),
    "--",
    capability,
  ]);
  return await world.run([], ...apps.flatMap((app, i) => i === 0 ? app : ["---", ...app]));
}

Deno.test("each capability allows what it is for, and nobody has it without", async () => {
  const granted = await each((name) => [`--caps-retain=${[name, ...ALSO[name] ?? []].join(",")}`]);
  const refused = (seen: Verdicts) => [...seen].filter(([, v]) => v !== "ok").map(([name]) => name);
  assert.equal(granted.size, Object.keys(ALSO).length);
  // Kernels may have been told to take no modules at all.
  const never = refused(world.onHost("CAP_SYS_MODULE"));
  assert.deepEqual(refused(granted), never);
  // CAP_BLOCK_SUSPEND stands for none: it allows nothing that is tried.
  const without = await each((
    name,
  ) => [`--caps-retain=${["CAP_BLOCK_SUSPEND", ...ALSO[name] ?? []].join(",")}`]);
  // In a network of its own a pod has all ports.
  const needed = Object.keys(ALSO).filter((name) => name !== "CAP_NET_BIND_SERVICE");
  assert.deepEqual(refused(without).toSorted(), needed.toSorted());
  assert.ok(CAPABILITIES.includes("CAP_BLOCK_SUSPEND"));
});

Deno.test("a capability that is retained brings the system calls that it is for", async () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["CAP_SYS_ADMIN", [
      "unshare mount",
      "unshare user",
      "clone user",
      "clone3 user",
      "setns",
      "fsopen",
    ]],
    ["CAP_SYS_PTRACE", ["ptrace me", "ptrace a child", "switch randomisation off"]],
    ["CAP_SYS_NICE", ["set_mempolicy", "real time scheduling"]],
  ];
  for (const [capability, names] of cases) {
    const seen = await world.run([], PROBE, `--caps-retain=${capability}`, "--", ...names);
    assert.deepEqual([...seen.values()], names.map(() => "ok"), capability);
  }
});

Deno.test("even CAP_SYS_PTRACE does not reach init, nor another app", async () => {
  const names = ["ptrace init", "open mem of init", "read memory of init", "write memory of init"]
    .concat("take a descriptor of init", "open root of init", "write exe of init")
    .concat("memory of other apps", "files of other apps", "ptrace other apps");
  const caps = "--caps-retain=CAP_SYS_PTRACE,CAP_DAC_OVERRIDE";
  // The probe's failure ends the pod, and with it the other app.
  const words = [BOX, "--", "-c", "sleep 1000", "---", PROBE, caps, "--", ...names, "fail"];
  const seen = await world.run([], ...words);
  assert.deepEqual([...seen.values()].filter((v) => v !== "EPERM" && v !== "EACCES"), []);
  assert.equal(seen.size, names.length);
});

Deno.test("an app finds no way to another app's memory, files and environment", async () => {
  const files = ["memory", "files", "environ", "executables", "directories", "namespaces"]
    .map((what) => `${what} of other apps`);
  const calls = ["ptrace other apps", "descriptors of other apps", "enter other apps"]
    .concat("memory of other apps by a call");
  for (const user of [[], ["--user=1000", "--group=1000"]]) {
    const words = [BOX, ...user, "--", "-c", "sleep 1000", "---", PROBE, ...user, "--"];
    const seen = await world.run([], ...words, ...files, ...calls, "fail");
    assert.deepEqual(of(seen, files), files.map(() => "EACCES"));
    assert.deepEqual(of(seen, calls), calls.map(() => "EPERM"));
  }
});

/** Runs the probe by a pod manifest, with these isolators. */
async function withIsolators(
  isolators: readonly unknown[],
  user: string,
  ...names: readonly string[]
): Promise<Verdicts> {
  const listed = await world.world.rkt("image", "list", "--format=json");
  const images: readonly { readonly id: string; readonly name: string }[] = JSON.parse(
    listed.stdout,
  );
  const id = images.find(({ name }) => name.startsWith(PROBE))?.id;
  const app = { exec: ["/bin/probe", ...names], user, group: user, isolators };
  const manifest = {
    acKind: "PodManifest",
    acVersion: "0.8.11",
    apps: [{ name: "probe", image: { id, name: PROBE }, app }],
  };
  const path = `${world.world.dir}/pod.json`;
  Deno.writeTextFileSync(path, JSON.stringify(manifest));
  return await world.run([], `--pod-manifest=${path}`);
}

Deno.test("with no-new-privileges a setuid program makes nobody more than he is", async () => {
  const names = ["setuid program", "CAP_CHOWN", "CAP_SYS_CHROOT"];
  const isolator = (value: boolean) => [{ name: "os/linux/no-new-privileges", value }];
  const values = async (value: boolean, user: string) =>
    of(await withIsolators(isolator(value), user, ...names), names);
  assert.deepEqual(await values(true, "0"), ["stays", "ok", "ok"]);
  assert.deepEqual(await values(false, "0"), ["becomes root", "ok", "ok"]);
  assert.deepEqual(await values(false, "1000"), ["becomes root", "EPERM", "EPERM"]);
  const off = [{ name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"] } }];
  const free = await withIsolators([...isolator(false), ...off], "1000", ...names);
  assert.deepEqual(of(free, names), ["becomes root", "EPERM", "EPERM"]);
});

Deno.test("a seccomp set has its verdict on every ABI, and others stay as they are", async () => {
  const names = ["native getpid", "x32 getpid", "i386 getpid", "clone", "CAP_SYS_CHROOT"];
  const set = async (kind: "retain" | "remove", value: unknown) => {
    const isolator = { name: `os/linux/seccomp-${kind}-set`, value };
    return of(await withIsolators([isolator], "0", ...names), names)
      .map((verdict) => verdict === "SIGSEGV" ? "SIGSYS" : verdict);
  };
  const removed = { set: ["getpid", "chroot"] };
  assert.deepEqual(await set("remove", removed), ["SIGSYS", "ENOSYS", "SIGSYS", "ok", "SIGSYS"]);
  assert.deepEqual(
    await set("remove", { ...removed, errno: "EXDEV" }),
    ["EXDEV", "ENOSYS", "SIGSYS", "ok", "EXDEV"],
  );
  const retained = { set: ["@rkt/default-whitelist"], errno: "ENOTSUP" };
  assert.deepEqual(await set("retain", retained), ["ok", "EOPNOTSUPP", "SIGSYS", "ok", "ok"]);
});

Deno.test("--insecure-options open what they say, and only that", async () => {
  const run = (option: string, ...names: readonly string[]) =>
    world.run([`--insecure-options=${option}`], PROBE, "--", ...names);
  const seccomp = await run(
    "seccomp",
    "io_uring",
    "session keyring",
    "CAP_SYS_ADMIN",
    "CAP_SYS_TIME",
  );
  assert.notEqual(seccomp.get("session keyring"), "EPERM");
  assert.notEqual(seccomp.get("io_uring"), DEFAULT_VERDICTS["io_uring"]);
  assert.equal(seccomp.get("CAP_SYS_ADMIN"), "EPERM");
  assert.equal(seccomp.get("CAP_SYS_TIME"), "EPERM");
  const opened = ["list modules", "write core_pattern", "CAP_SYS_ADMIN"];
  assert.deepEqual(of(await run("paths", ...opened), opened), ["ok", "ok", "EPERM"]);
  const granted = ["CAP_SYS_ADMIN", "unshare user", "session keyring", "list modules"];
  const all = await run("capabilities", ...granted);
  assert.deepEqual(of(all, granted), ["ok", "ok", "EPERM", "empty"]);
});
