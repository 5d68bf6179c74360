import { nth } from "../testing/nth.ts";
import assert from "node:assert/strict";
import {
  callsOf,
  indexOf,
  INIT,
  runPod,
  type Script,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import type { SyscallName } from "../engine/syscalls.ts";
import * as k from "../../src/linux/constants.ts";
import type { KernelValue, Run } from "../engine/testing/interpret.ts";
import type { AppMount, PodApp, Root } from "../pod.ts";
import { PROTECTED } from "./kernel_files.ts";

/** Init's life, up to its apps. */
function build(changes: Partial<PodApp> = {}, answer?: Script["answer"], protectPaths = true): Run {
  const pod = testPod([testApp("app", changes)], { protectPaths });
  return runPod(pod, { clones: [0, 2], answer });
}

const mount = (changes: Partial<AppMount> = {}): AppMount => ({
  volume: "v",
  source: "/source",
  target: "/target",
  place: changes.target ?? "/target",
  inside: false,
  readOnly: false,
  recursive: true,
  directory: true,
  ...changes,
});

/** The options of the file system that comes of the nth fsopen(2) of a type, or of the only mount(2) of it. */
function options(run: Run, type: string, which = 0): Map<KernelValue, KernelValue> {
  const whole = run.calls.find(({ call, args }) => call === "mount" && args[2] === type);
  if (whole !== undefined) {
    const pairs = String(whole.args[4]).split(",").map((each) =>
      each.split("=") as [string, string]
    );
    return new Map<KernelValue, KernelValue>([...pairs, ["attributes", nth(whole.args, 3)]]);
  }
  const opened = run.calls.flatMap(({ call, args }, i) =>
    call === "fsopen" && args[0] === type ? [i] : []
  );
  const rest = run.calls.slice(nth(opened, which) + 1);
  const end = rest.findIndex(({ call }) => call === "fsmount");
  return new Map<KernelValue, KernelValue>([
    ...rest.slice(0, end).filter(({ args }) => args[1] === k.FSCONFIG_SET_STRING)
      .map(({ args }) => [nth(args, 2), nth(args, 3)] as const),
    ["attributes", nth(nth(rest, end).args, 2)],
  ]);
}

/** The `attr_set` of a mount_setattr(2). */
function attributesSet(args: readonly KernelValue[]): bigint {
  const attributes = args[3];
  assert.ok(attributes instanceof DataView);
  return attributes.getBigUint64(0, true);
}

const OVERLAY: Root = {
  kind: "overlay",
  durable: false,
  tree: "cas/tree/a:b\\c/rootfs",
  skeleton: "cas/skeleton",
  layers: "o/app",
};
const OPTIONS = new Map<KernelValue, KernelValue>([
  ["lowerdir", "cas/tree/a\\:b\\\\c/rootfs:cas/skeleton"],
  ["upperdir", "o/app/upper"],
  ["workdir", "o/app/work"],
  ["attributes", k.MOUNT_ATTR_NODEV],
]);

/** Answers the first call of a kind with an error. */
function refuseOnce(refused: SyscallName): Script["answer"] {
  let once = false;
  return (call) => {
    if (call !== refused || once) return undefined;
    once = true;
    return -ERRNO.EINVAL;
  };
}

Deno.test("an overlay has the tree below, the pod's own layer above, and no device nodes", () => {
  const run = build({ root: OVERLAY }, refuseOnce("fsmount"));
  assert.deepEqual(options(run, "overlay", 1), OPTIONS);
});

Deno.test("the supervisor makes the overlay of an app alone, and init only mounts it", () => {
  const pod = testPod([testApp("app", { root: OVERLAY })]);
  const supervisor = runPod(pod, { clones: [INIT] });
  assert.ok(indexOf(supervisor, "fsopen", "overlay") < indexOf(supervisor, "clone"));
  const [, context = -1] = callsOf(supervisor, "fsconfig")[0] ?? [];
  const made = indexOf(supervisor, "fsconfig", context, k.FSCONFIG_CMD_CREATE);
  assert.ok(made > indexOf(supervisor, "clone"));
  assert.ok(made < indexOf(supervisor, "kill", INIT, k.SIGPWR));
  assert.equal(indexOf(supervisor, "fsmount"), -1);
  const values = callsOf(supervisor, "fsconfig").filter((args) => args[2] === k.FSCONFIG_SET_STRING)
    .map((args) => [nth(args, 3), nth(args, 4)] as const);
  const all = [...values, ["attributes", k.MOUNT_ATTR_NODEV] as const];
  assert.deepEqual(new Map<KernelValue, KernelValue>(all), OPTIONS);

  const init = build({ root: OVERLAY });
  assert.equal(callsOf(init, "fsopen").filter(([, type]) => type === "overlay").length, 1);
  assert.deepEqual(callsOf(init, "fsmount")[0], [
    "fsmount",
    context,
    k.FSMOUNT_CLOEXEC,
    k.MOUNT_ATTR_NODEV,
  ]);
});

Deno.test("what the supervisor fails at is not made by halves: init does it, and says what is wrong", () => {
  const pod = testPod([testApp("app", { root: OVERLAY })]);
  const failing = (setting: string): Script["answer"] => (call, args) =>
    call === "fsconfig" && String(args[2]) === setting ? -ERRNO.EINVAL : undefined;
  const supervisor = runPod(pod, { clones: [INIT], answer: failing("upperdir") });
  const commands = (run: Run) => callsOf(run, "fsconfig").map((args) => args[2]);
  assert.ok(!commands(supervisor).includes(k.FSCONFIG_CMD_CREATE));
  assert.ok(indexOf(supervisor, "kill", INIT, k.SIGPWR) > 0);
  const answer: Script["answer"] = (call, args, memory) =>
    call === "fsmount" ? -ERRNO.EINVAL : failing("upperdir")?.(call, args, memory);
  const init = runPod(pod, { clones: [0, 2], answer });
  assert.equal(callsOf(init, "fsconfig").at(-1)?.[3], "upperdir");
  assert.equal(indexOf(init, "move_mount"), -1);
});

Deno.test("a copy is mounted as it is, without device nodes", () => {
  const run = build({ root: { kind: "copy", path: "stage2/app" } });
  const opened = indexOf(run, "open_tree", k.AT_FDCWD, "stage2/app");
  assert.ok(opened > 0);
  const next = nth(run.calls, opened + 1);
  assert.equal(next.call, "mount_setattr");
  assert.equal(attributesSet(next.args), BigInt(k.MOUNT_ATTR_NODEV));
  assert.equal(indexOf(run, "fsopen", "overlay"), -1);
});

Deno.test("what comes from the host is opened before its root is left, and all else after", () => {
  const run = build({ mounts: [mount()] });
  const left = indexOf(run, "chroot", ".");
  assert.ok(left < indexOf(run, "pivot_root"));
  assert.ok(indexOf(run, "fsopen", "overlay") < left);
  assert.ok(indexOf(run, "open_tree", k.AT_FDCWD, "/source") < left);
  for (const type of ["proc", "sysfs"]) assert.ok(indexOf(run, "fsopen", type) > left);
  assert.ok(indexOf(run, "mount", "none", "pts", "devpts") > left);
});

Deno.test("the kernel's file systems are without set-user-ID, devices and programs", () => {
  const run = build();
  const inert = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC;
  assert.equal(options(run, "proc").get("attributes"), inert);
  assert.equal(options(run, "sysfs").get("attributes"), inert | k.MOUNT_ATTR_RDONLY);
  const noexec = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC;
  assert.equal(options(run, "devpts").get("attributes"), noexec);
});

Deno.test("what the image has at /proc, /sys and /dev is never followed out of the root", () => {
  const run = build();
  for (const name of ["proc", "sys", "dev"]) {
    const made = run.calls.findIndex(({ call, args }) => call === "openat2" && args[1] === name);
    const how = nth(run.calls, made).args[2];
    assert.ok(how instanceof DataView);
    const flags = how.getBigUint64(0, true);
    assert.ok((flags & BigInt(k.O_NOFOLLOW)) !== 0n, name);
    assert.equal(how.getBigUint64(16, true), BigInt(k.RESOLVE_BENEATH | k.RESOLVE_NO_SYMLINKS));
  }
  const link = build(
    {},
    (call, args) => call === "openat2" && args[1] === "proc" ? -40 : undefined,
  );
  assert.ok(link.end.kind === "failed");
  assert.equal(link.end.what, 'open /proc in app "app"');
});

/** The calls that mount a part of a file system on a path, by their numbers. */
const binds = (run: Run, path: string): readonly number[] =>
  run.calls.flatMap(({ call, args }, i) =>
    call === "mount" && args[1] === path && args[3] === k.MS_BIND ? [i] : []
  );

/** The file system that the working directory was in at a call. */
function entered(run: Run, at: number): KernelValue | undefined {
  return run.calls.slice(0, at).findLast(({ call }) => call === "fchdir")?.args[0];
}

const mounted = (run: Run, type: string): KernelValue | undefined => {
  const opened = indexOf(run, "fsopen", type);
  return nth(
    run.calls.slice(opened).filter(({ call }) => call === "fsmount").map(({ result }) => result),
    0,
  );
};

Deno.test("every path that rkt protects is read-only or hidden", () => {
  const run = build();
  const inRoot = run.calls.findIndex(({ call, args }) =>
    call === "mount_setattr" && args[1] === "/" &&
    attributesSet(args) === BigInt(k.MOUNT_ATTR_RDONLY)
  );
  assert.ok(inRoot > 0);
  for (const path of PROTECTED.proc.readOnly) {
    const at = nth(binds(run, path), 0);
    assert.deepEqual([nth(run.calls, at).args[0], entered(run, at)], [path, mounted(run, "proc")]);
    const change = (from: readonly (typeof run.calls)[number][]) =>
      from.filter(({ call, args }) => call === "mount_setattr" && args[1] === ".");
    const [before, after] = [change(run.calls.slice(0, at)), change(run.calls.slice(at))];
    assert.equal(before.length, 1, "the whole is read-only, so is what is mounted of it");
    assert.equal(attributesSet(nth(before, 0).args), BigInt(k.MOUNT_ATTR_RDONLY), path);
    assert.equal(after.length, 1, "and writable again");
    assert.equal(attributesSet(nth(after, 0).args), 0n);
  }
  for (const [type, of] of [["proc", PROTECTED.proc], ["sysfs", PROTECTED.sys]] as const) {
    for (const { path, directory } of of.hidden) {
      const cover = directory ? "/.hidden-directory" : "/.hidden-file";
      const at = binds(run, path).find((at) =>
        nth(run.calls, at).args[0] === cover && entered(run, at) === mounted(run, type)
      );
      assert.ok(
        at !== undefined && at > inRoot,
        `${path}: the mount of a read-only one is read-only`,
      );
    }
  }
});

Deno.test("paths that rkt has always protected are in the lists", () => {
  const { proc, sys } = PROTECTED;
  for (const path of ["bus", "sysrq-trigger", "sys"] as const) {
    assert.ok(proc.readOnly.includes(path));
  }
  const hidden = (list: readonly { readonly path: string }[]) => list.map(({ path }) => path);
  for (const path of ["config.gz", "kallsyms", "sched_debug", "kcore", "kmem", "mem"]) {
    assert.ok(hidden(proc.hidden).includes(path), path);
  }
  for (const path of ["firmware", "fs", "hypervisor", "module", "power"]) {
    assert.ok(hidden(sys.hidden).includes(path), path);
  }
});

const onPath = (call: string, args: readonly KernelValue[], paths: readonly string[]): boolean =>
  call === "mount" && paths.some((path) => args[1] === path);

Deno.test("a protected path that this kernel lacks is passed over", () => {
  const run = build(
    {},
    (call, args) => onPath(call, args, ["kallsyms", "irq"]) ? -2 : undefined,
  );
  assert.deepEqual(run.end, { kind: "waiting", call: "rt_sigtimedwait" });
});

Deno.test("a protected path that can't be covered ends the pod", () => {
  for (const [covered, errno] of [["kallsyms", 13], ["irq", 1]] as const) {
    const run = build({}, (call, args) => onPath(call, args, [covered]) ? -errno : undefined);
    assert.equal(run.end.kind, "failed", covered);
  }
  const writable = build(
    {},
    (call, args) => call === "mount_setattr" && args[1] === "." ? -22 : undefined,
  );
  assert.equal(writable.end.kind, "failed", "they stay writable");
});

Deno.test("--insecure-options=paths leaves /proc and /sys as the kernel makes them", () => {
  const run = build({}, undefined, false);
  assert.equal(
    run.calls.some(({ args }) => args[1] === "kcore" || args[1] === "sysrq-trigger"),
    false,
  );
  const inert = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC;
  assert.equal(options(run, "sysfs").get("attributes"), inert);
});

Deno.test("an app has the devices of the spec and no others", () => {
  const nodes = callsOf(build(), "mknodat").map(([, , name, mode, device]) => [name, mode, device]);
  const character = 0o20666;
  assert.deepEqual(nodes, [
    ["null", character, 0x103],
    ["zero", character, 0x105],
    ["full", character, 0x107],
    ["random", character, 0x108],
    ["urandom", character, 0x109],
    ["tty", character, 0x500],
    ["net/tun", character, 0xac8],
    ["console", character, 0x103],
  ]);
});

Deno.test("a volume is read-only as far down as it goes, and no device in a directory can be opened", () => {
  const modes = (changes: Partial<AppMount>) => {
    const run = build({ mounts: [mount(changes)] });
    const at = indexOf(run, "open_tree", k.AT_FDCWD, "/source");
    const next = nth(run.calls, at + 1);
    const deep = (flags: KernelValue | undefined) => (Number(flags) & k.AT_RECURSIVE) !== 0;
    if (next.call !== "mount_setattr") return [deep(nth(run.calls, at).args[2]), 0];
    assert.equal(next.args[0], nth(run.calls, at).result);
    assert.equal(deep(next.args[2]), deep(nth(run.calls, at).args[2]));
    return [deep(next.args[2]), Number(attributesSet(next.args))];
  };
  const [readOnly, noDevices] = [k.MOUNT_ATTR_RDONLY, k.MOUNT_ATTR_NODEV];
  assert.deepEqual(modes({ recursive: true }), [true, noDevices]);
  assert.deepEqual(modes({ recursive: false, readOnly: true }), [false, readOnly | noDevices]);
  assert.deepEqual(modes({ directory: false, readOnly: true }), [true, readOnly]);
  assert.deepEqual(modes({ directory: false }), [true, 0], "a device that is a volume is meant");
});

Deno.test("the nodes of /dev are the only devices that can be opened there", () => {
  const run = build();
  const nodes = callsOf(run, "mknodat").map(([, , name]) => name);
  const [, dev] = nth(callsOf(run, "mknodat"), 0);
  const kept = nodes.map((name) => {
    const at = nth(binds(run, `${name}`), 0);
    assert.deepEqual([nth(run.calls, at).args[0], entered(run, at)], [name, dev]);
    return at;
  });
  const closed = run.calls.findIndex(({ call, args }) =>
    call === "mount_setattr" && args[0] === dev
  );
  assert.equal(attributesSet(nth(run.calls, closed).args), BigInt(k.MOUNT_ATTR_NODEV));
  assert.ok(Math.max(...kept) < closed, "a node that is kept later would be closed too");
});

Deno.test("a volume of the pod lies below the pod's directory", () => {
  const run = build({ mounts: [mount({ source: "sharedVolumes/v" })] });
  assert.ok(indexOf(run, "open_tree", k.AT_FDCWD, "sharedVolumes/v") > 0);
});

Deno.test("a volume's target is made with its parents, and found below the root", () => {
  const run = build({ mounts: [mount({ target: "/a/b/c" })] });
  const made = callsOf(run, "mkdirat").map(([, , name]) => name).slice(-3);
  assert.deepEqual(made, ["a", "b", "c"]);
  for (const path of ["a", "a/b", "a/b/c"]) {
    const opened = run.calls.filter(({ call, args }) => call === "openat2" && args[1] === path);
    assert.ok(opened.length > 0, path);
    for (const { args } of opened) {
      const how = args[2];
      assert.ok(how instanceof DataView);
      const resolve = how.getBigUint64(16, true);
      const rules = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS | k.RESOLVE_NO_XDEV;
      assert.equal(resolve, BigInt(rules), "into no other mount");
    }
  }
});

Deno.test("a file where a volume's directory belongs makes place for it", () => {
  let refused = 0;
  const run = build(
    { mounts: [mount({ target: "/x" })] },
    (call, args) => call === "openat2" && args[1] === "x" && refused++ === 0 ? -20 : undefined,
  );
  const removed = indexOf(run, "unlinkat");
  assert.equal(nth(run.calls, removed).args[1], "x");
  assert.equal(nth(run.calls, removed + 1).call, "mkdirat");
  assert.equal(run.end.kind, "waiting");
  assert.equal(indexOf(build({ mounts: [mount({ target: "/x" })] }), "unlinkat"), -1);
});

Deno.test("a file that is a volume gets a file to be mounted on", () => {
  const run = build({ mounts: [mount({ target: "/a/file", directory: false })] });
  const made = run.calls.find(({ call, args }) => call === "openat" && args[1] === "file");
  assert.equal(
    made?.args[2],
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
  );
});

Deno.test("the root becomes read-only last, when all targets are made", () => {
  const run = build({ readOnlyRoot: true, mounts: [mount()] });
  const root = run.calls.find(({ call, args }) =>
    call === "fsmount" && args[2] === k.MOUNT_ATTR_NODEV
  );
  const at = run.calls.findIndex(({ call, args }) =>
    call === "mount_setattr" && args[0] === root?.result
  );
  assert.ok(at > indexOf(run, "mkdirat", root?.result ?? 0, "target"));
  assert.equal(attributesSet(nth(run.calls, at).args), BigInt(k.MOUNT_ATTR_RDONLY));
  assert.equal(run.calls.slice(at).some(({ call }) => call === "move_mount"), false);
  const writable = build({ mounts: [mount()] });
  assert.equal(
    writable.calls.some(({ call, args }) => call === "mount_setattr" && args[0] === root?.result),
    false,
  );
});

Deno.test("a mount that fails is told of with its app", () => {
  const run = build({}, (call, [type]) => call === "fsopen" && type === "proc" ? -1 : undefined);
  assert.ok(run.end.kind === "failed");
  assert.equal(run.end.what, 'mount proc on /proc in app "app"');
  assert.equal(run.end.errno, 1);
});
