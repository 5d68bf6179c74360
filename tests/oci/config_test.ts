/** The configuration of OCI containers: what config.md and config-linux.md of the runtime specification say, seen from inside. */
import assert from "node:assert/strict";
import { type Changes, RuntimeWorld, shell } from "../world/runtime_world.ts";
import { until } from "../world/until.ts";

let world: RuntimeWorld;
Deno.test.beforeAll(async () => {
  world = await RuntimeWorld.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const WRITABLE = { root: { path: "rootfs", readonly: false } };

/** What a shell in the container prints. */
const seen = (script: string, changes: Changes = {}): Promise<string> =>
  world.output({
    ...changes,
    process: { ...changes.process, args: ["sh", "-c", script] },
  });

Deno.test("process: a working directory that is missing is made", async () => {
  assert.equal(await seen("pwd", { ...WRITABLE, process: { cwd: "/not/there" } }), "/not/there\n");
});

Deno.test("process: scheduling and I/O priority, and the processors of one that joins", async () => {
  const process = {
    scheduler: { policy: "SCHED_BATCH", nice: 5 },
    ioPriority: { class: "IOPRIO_CLASS_IDLE", priority: 0 },
  };
  // Field 18 is the priority, 19 the nice value, 41 the policy (proc_pid_stat(5)).
  const script = "set -- $(cat /proc/self/stat); echo ${19} ${41}";
  assert.equal(await seen(script, { process }), "5 3\n");
  const id = await world.create(shell("sleep 1000"));
  await world.oci("start", id);
  const file = `${world.dir}/joins.json`;
  const joins = {
    args: ["grep", "Cpus_allowed_list", "/proc/self/status"],
    env: ["PATH=/bin"],
    cwd: "/",
    execCPUAffinity: { initial: "0-1", final: "0" },
  };
  Deno.writeTextFileSync(file, JSON.stringify(joins));
  const { stdout, stderr } = await world.oci("exec", "--process", file, id);
  assert.equal(stdout, "Cpus_allowed_list:\t0\n", stderr);
  await world.oci("delete", "--force", id);
});

Deno.test("namespaces: one by its path is joined", async () => {
  const id = await world.create(shell("sleep 100"));
  const { pid } = await world.state(id);
  const there = (name: string) => Deno.readLinkSync(`/proc/${pid}/ns/${name}`);
  const namespaces = [
    { type: "network", path: `/proc/${pid}/ns/net` },
    { type: "pid", path: `/proc/${pid}/ns/pid` },
    { type: "ipc", path: `/proc/${pid}/ns/ipc` },
  ];
  const script = "for n in net pid ipc uts; do readlink /proc/self/ns/$n; done; echo $$";
  const [net, inPid, ipc, uts, number] = (await seen(script, { namespaces })).trim().split("\n");
  assert.deepEqual([net, inPid, ipc], [there("net"), there("pid"), there("ipc")]);
  assert.notEqual(uts, there("uts"));
  assert.notEqual(number, "1");
  await world.oci("delete", "--force", id);
});

Deno.test("namespaces: users are mapped, and the loopback interface of a new network is up", async () => {
  world.fill(`${world.dir}/mapped/rootfs`);
  for (const path of ["", "/tmp"]) {
    Deno.chownSync(`${world.dir}/mapped/rootfs${path}`, 100_000, 100_000);
  }
  const changes: Changes = {
    root: { path: `${world.dir}/mapped/rootfs`, readonly: false },
    namespaces: [{ type: "user" }],
    linux: {
      uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
      gidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
    },
  };
  const text = await seen(
    "id -u; cat /proc/self/uid_map; ip -o addr show lo; cat /dev/null; touch /tmp/x",
    changes,
  );
  assert.match(text, /^0\n\s*0\s+100000\s+65536\n1: lo\s+inet 127\.0\.0\.1\/8/);
  assert.equal(Deno.statSync(`${world.dir}/mapped/rootfs/tmp/x`).uid, 100_000);
});

Deno.test("mounts: attributes of the mount alone, and of all below", async () => {
  const host = `${world.dir}/host`;
  Deno.mkdirSync(`${host}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${host}/file`, "from the host\n");
  const mount = (destination: string, options: readonly string[], source = host) => ({
    ...{ destination, type: "bind", source, options },
  });
  const changes: Changes = {
    mounts: [
      mount("/data/a", ["bind", "ro"]),
      mount("/data/b", ["rbind", "rro", "nosuid", "noexec"]),
      mount("/data/file", ["bind", "ro"], `${host}/file`),
      mount("/data/deep/er", ["bind"]),
    ],
    ...WRITABLE,
  };
  const script = "cat /data/file /data/deep/er/file; touch /data/a/x 2>/dev/null || echo ro; " +
    "touch /data/b/x 2>/dev/null || echo ro; touch /data/deep/er/x && echo rw; grep ' /data/b ' /proc/mounts";
  const text = await seen(script, changes);
  assert.match(
    text,
    /^from the host\nfrom the host\nro\nro\nrw\n\S+ \/data\/b \S+ ro,nosuid,noexec/,
  );
  assert.ok(Deno.statSync(`${host}/x`).isFile);
});

Deno.test("mounts: a tmpfs with what the image has there, and one without", async () => {
  Deno.mkdirSync(`${world.bundle}/rootfs/filled/sub`, { recursive: true });
  Deno.writeTextFileSync(`${world.bundle}/rootfs/filled/sub/file`, "of the image\n", {
    mode: 0o644,
  });
  Deno.chownSync(`${world.bundle}/rootfs/filled/sub/file`, 7, 8);
  Deno.symlinkSync("sub/file", `${world.bundle}/rootfs/filled/link`);
  const tmpfs = (options: readonly string[]): Changes => ({
    mounts: [{ destination: "/filled", type: "tmpfs", source: "tmpfs", options }],
  });
  const script =
    "cat /filled/link; stat -c '%a %u %g' /filled/sub/file; touch /filled/x && echo rw";
  assert.equal(await seen(script, tmpfs(["tmpcopyup", "size=1m"])), "of the image\n644 7 8\nrw\n");
  assert.equal(await seen("ls /filled", tmpfs(["size=1m"])), "");
  assert.throws(() => Deno.statSync(`${world.bundle}/rootfs/filled/x`));
  const owner = "stat -c '%u %g %F' /filled/link";
  assert.equal(await seen(owner, tmpfs(["tmpcopyup"])), "0 0 symbolic link\n");
});

Deno.test("mounts: files have other owners in an ID-mapped mount", async () => {
  const host = `${world.dir}/owned`;
  Deno.mkdirSync(host);
  Deno.writeTextFileSync(`${host}/file`, "");
  Deno.chownSync(`${host}/file`, 1000, 1000);
  const mapping = [{ containerID: 1000, hostID: 0, size: 1 }];
  const mounts = [{
    ...{ destination: "/data", type: "bind", source: host, options: ["bind", "idmap"] },
    ...{ uidMappings: mapping, gidMappings: mapping },
  }];
  assert.equal(await seen("stat -c '%u %g' /data/file", { mounts }), "0 0\n");
});

Deno.test("devices: the default ones, those that are given, and no others", async () => {
  const linux = {
    devices: [{
      path: "/dev/own/null",
      type: "c",
      major: 1,
      minor: 3,
      fileMode: 0o640,
      uid: 1,
      gid: 2,
    }],
    resources: { devices: [{ allow: false, access: "rwm" }] },
  };
  const script =
    "echo x >/dev/null; head -c 3 /dev/zero | wc -c; stat -c '%a %u %g %t:%T' /dev/own/null; " +
    "ls -l /dev/fd /dev/ptmx | grep -c '>'; mknod /tmp/vda b 254 0; cat /tmp/vda 2>&1 | grep -c 'not permitted'";
  const capabilities = {
    bounding: ["CAP_MKNOD"],
    permitted: ["CAP_MKNOD"],
    effective: ["CAP_MKNOD"],
  };
  const mounts = [{ destination: "/tmp", type: "tmpfs", options: ["dev"] }];
  const text = await seen(script, { linux, process: { capabilities }, mounts });
  assert.equal(text, "3\n640 1 2 1:3\n2\n1\n");
});

Deno.test("cgroups: limits hold, and the container sees its own cgroup as the root", async () => {
  const linux = {
    resources: {
      memory: { limit: 50 << 20 },
      pids: { limit: 30 },
      cpu: { shares: 512, quota: 50_000, period: 100_000 },
    },
  };
  const one =
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us";
  const two = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max";
  const text = await seen(`if test -d /sys/fs/cgroup/memory; then ${one}; else ${two}; fi`, {
    linux,
  });
  assert.match(text, /^52428800\n30\n50000( 100000)?\n$/);
});

Deno.test("seccomp: actions, errors, and conditions on arguments", async () => {
  const seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
    syscalls: [
      { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 },
      {
        names: ["kill"],
        action: "SCMP_ACT_ERRNO",
        args: [{ index: 1, value: 10, op: "SCMP_CMP_EQ" }],
      },
    ],
  };
  const script =
    "mkdir /tmp/x 2>&1 | grep -c 'No space'; kill -0 $$ && echo may; kill -10 $$ 2>&1 | grep -c permitted";
  for (const noNewPrivileges of [true, false]) {
    const text = await seen(script, { linux: { seccomp }, process: { noNewPrivileges } });
    assert.equal(text, "1\nmay\n1\n");
  }
});

Deno.test("personality, preserved descriptors, and nothing else of the runtime's", async () => {
  const linux = { personality: { domain: "LINUX32" } };
  Deno.symlinkSync("busybox", `${world.bundle}/rootfs/bin/uname`);
  assert.match(await seen("uname -m", { linux }), /^i[3-6]86|^armv/);
  assert.equal(await seen("ls /proc/self/fd | wc -l"), "4\n"); // its streams, and the directory that ls reads
  await world.configure(shell("cat <&3"));
  const { stdout } = await new Deno.Command("sh", {
    args: [
      "-c",
      `echo passed | { exec 3<&0; exec </dev/null; exec "$0" oci --root ${world.root} run --preserve-fds 1 --bundle ${world.bundle} kept; }`,
      (await import("../world/rkt.ts")).RKT,
    ],
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "passed\n");
});

Deno.test("CVE-2024-21626: a working directory in /proc/self/fd leads nowhere", async () => {
  for (const fd of [3, 5, 7, 9, 200, 201, 202]) {
    const { code, stdout } = await world.run({
      process: { cwd: `/proc/self/fd/${fd}`, args: ["pwd"] },
    });
    assert.notEqual(code, 0, `${fd}: ${stdout}`);
  }
});

Deno.test("CVE-2019-5736 and its siblings: what runs in the container can't write to the runtime's program", async () => {
  const id = await world.create(shell("sleep 100"));
  await world.oci("start", id);
  const script = "for p in /proc/[0-9]*/exe; do echo x >$p && echo written; done 2>/dev/null; true";
  assert.equal((await world.oci("exec", id, "sh", "-c", script)).stdout, "");
  await world.oci("delete", "--force", id);
});

Deno.test("CVE-2025-52881: a link of the image leads no mount into /proc", async () => {
  const rootfs = `${world.dir}/evil`;
  world.fill(rootfs);
  Deno.symlinkSync("/proc/self/attr", `${rootfs}/trap`);
  Deno.symlinkSync("/proc/sys/kernel", `${rootfs}/other`);
  for (const destination of ["/trap", "/other"]) {
    const { code, stderr } = await world.run({
      root: { path: rootfs },
      mounts: [{ destination, type: "tmpfs" }],
    });
    assert.equal(code, 1);
    assert.match(stderr, /leads it into \/proc/);
  }
});

Deno.test("CVE-2025-52565: a link of the image leads no device of the runtime's into /proc", async () => {
  const rootfs = `${world.dir}/console`;
  world.fill(rootfs);
  // Their root may make none.
  for (const name of ["dev", "proc", "sys"]) Deno.mkdirSync(`${rootfs}/${name}`);
  Deno.symlinkSync("/proc/self/attr/exec", `${rootfs}/dev/null`);
  const users = [{ containerID: 0, hostID: 100000, size: 65536 }];
  const { code, stderr } = await world.run({
    root: { path: rootfs, readonly: false },
    ...shell("true"),
    namespaces: [{ type: "user" }],
    linux: { uidMappings: users, gidMappings: users },
    mounts: [{ destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }],
  });
  assert.equal(code, 1);
  assert.match(stderr, /no link leads to the place at \/dev\/null/);
});

Deno.test("exec does not wait for what the container has in the place of its passwd", async () => {
  const rootfs = `${world.dir}/passwd`;
  for (const trap of ["mkfifo /etc/passwd", "ln -s /proc/kmsg /etc/passwd"]) {
    Deno.mkdirSync(rootfs);
    world.fill(rootfs);
    const id = await world.create({
      root: { path: rootfs, readonly: false },
      ...shell(`rm /etc/passwd; busybox ${trap}; while :; do sleep 1; done`),
    });
    await world.oci("start", id);
    const done = () => {
      try {
        return !Deno.lstatSync(`${rootfs}/etc/passwd`).isFile;
      } catch {
        return false;
      }
    };
    await until(done, 20, "the trap");
    const { stderr } = await world.oci("exec", id, "/bin/true");
    assert.doesNotMatch(stderr, /bug in rkt/);
    await world.oci("delete", "--force", id);
    Deno.removeSync(rootfs, { recursive: true });
  }
});

Deno.test("CVE-2023-27561: no link of the image stands in for /proc or hides what is masked", async () => {
  const rootfs = `${world.dir}/linked`;
  world.fill(rootfs);
  Deno.mkdirSync(`${rootfs}/elsewhere`);
  Deno.symlinkSync("elsewhere", `${rootfs}/proc`);
  const { code, stdout, stderr } = await world.run({
    root: { path: rootfs, readonly: false },
    ...shell("wc -c </proc/version"),
    linux: { maskedPaths: ["/proc/version"], readonlyPaths: [] },
  });
  assert.equal(code, 1, stdout);
  assert.match(stderr, /no link leads to the place at \/proc/);
});

Deno.test("a link of the image leads no mount out of its root", async () => {
  const rootfs = `${world.dir}/out`;
  world.fill(rootfs);
  const outside = `${world.dir}/outside`;
  Deno.mkdirSync(outside);
  Deno.symlinkSync(outside, `${rootfs}/absolute`);
  Deno.symlinkSync(`../../../../../../../..${outside}`, `${rootfs}/relative`);
  for (const destination of ["/absolute/made", "/relative/made"]) {
    await world.run({
      root: { path: rootfs, readonly: false },
      mounts: [{ destination, type: "tmpfs" }],
      ...shell("true"),
    });
  }
  assert.deepEqual([...Deno.readDirSync(outside)], []);
});
Deno.test("CVE-2021-30465: a link of a volume leads no mount out of the root", async () => {
  const [volume, outside] = [`${world.dir}/volume`, `${world.dir}/not-in-root`];
  for (const path of [volume, outside]) Deno.mkdirSync(path);
  Deno.symlinkSync(`../../../../../../../..${outside}`, `${volume}/link`);
  await world.run({
    ...WRITABLE,
    ...shell("true"),
    mounts: [
      { destination: "/data", type: "bind", source: volume, options: ["bind"] },
      { destination: "/data/link/made", type: "tmpfs" },
    ],
  });
  assert.deepEqual([...Deno.readDirSync(outside)], []);
});

Deno.test("CVE-2022-0811: what stands in the value of a sysctl sets no other", async () => {
  const pattern = Deno.readTextFileSync("/proc/sys/kernel/core_pattern");
  const sysctl = { "kernel.shm_rmid_forced": "1+kernel.core_pattern=|/bin/trap" };
  assert.equal((await world.run({ ...shell("true"), linux: { sysctl } })).code, 1);
  assert.equal(Deno.readTextFileSync("/proc/sys/kernel/core_pattern"), pattern);
});

Deno.test("CVE-2022-24769: capabilities are inheritable where the configuration says so, and not else", async () => {
  const set = ["CAP_KILL"];
  const capabilities = { bounding: set, permitted: set, effective: set };
  assert.equal(
    await seen("grep CapInh /proc/self/status", { process: { capabilities } }),
    "CapInh:\t0000000000000000\n",
  );
});

Deno.test("CVE-2025-31133: what an image has in the place of /dev/null covers no masked path", async () => {
  const rootfs = `${world.dir}/null`;
  world.fill(rootfs);
  for (const name of ["dev", "proc"]) Deno.mkdirSync(`${rootfs}/${name}`);
  Deno.writeTextFileSync(`${rootfs}/dev/null`, "of the image\n");
  await world.configure({
    root: { path: rootfs },
    process: { args: ["cat", "/proc/version"] },
    linux: { maskedPaths: ["/proc/version"], readonlyPaths: [] },
  });
  // Without a file system of its own at /dev.
  const path = `${world.bundle}/config.json`;
  const spec = JSON.parse(Deno.readTextFileSync(path));
  const mounts = [{ destination: "/proc", type: "proc", source: "proc" }];
  Deno.writeTextFileSync(path, JSON.stringify({ ...spec, mounts }));
  const { code, stdout, stderr } = await world.oci("run", "--bundle", world.bundle, world.id());
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /refuse what is at \/dev\/null/);
});
