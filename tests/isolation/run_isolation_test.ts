/** What an app is given and what is kept from it, as it sees it itself. */
import assert from "node:assert/strict";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { BOX, processStatus, World } from "../world/pod_world.ts";
import { RKT, rkt } from "../world/rkt.ts";
import { nth } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const NAMESPACES = ["mnt", "pid", "uts", "ipc", "net", "user", "cgroup"] as const;

Deno.test("a pod has its own namespaces, and shares the network only with --net=host", async () => {
  const own = {
    none: ["mnt", "pid", "uts", "ipc", "net", "cgroup"],
    host: ["mnt", "pid", "uts", "ipc", "cgroup"],
  };
  for (const net of ["none", "host"] as const) {
    const pod = await world.start("sleep 1000", `--net=${net}`);
    const { app } = pod;
    const differing = NAMESPACES.filter((name) =>
      Deno.readLinkSync(`/proc/${app}/ns/${name}`) !== Deno.readLinkSync(`/proc/self/ns/${name}`)
    );
    assert.deepEqual(differing, own[net]);
    await pod.end();
  }
});

Deno.test("--net=none leaves a loopback interface that is up", async () => {
  const script = "cat /proc/net/dev | grep -c :; cat /sys/class/net/lo/flags";
  assert.equal(await world.output(script), "1\n0x9\n");
});

Deno.test("each pod begins with a clean copy of the image, overlaid or copied", async () => {
  for (const flags of [[], ["--no-overlay"]]) {
    const script = "cat /srv/plain; echo changed > /srv/plain; touch /new; cat /srv/plain; ls /new";
    for (let i = 0; i < 2; i++) {
      assert.equal(await world.output(script, ...flags), "no program\nchanged\n/new\n");
    }
  }
  const kind = "grep ' / ' /proc/mounts";
  assert.match(await world.output(kind), /^\S+ \/ overlay rw,nodev,/);
  const copied = await world.output(kind, "--no-overlay");
  assert.match(copied, /^\S+ \/ \S+ rw,nodev/);
  assert.doesNotMatch(copied, /overlay/);
});

Deno.test("nothing of the host's is mounted in an app, nor anything of init's", async () => {
  const targets = (await world.output("cat /proc/mounts")).trim().split("\n")
    .map((line) => nth(line.split(" "), 1));
  const expected = /^\/($|proc($|\/)|sys($|\/)|dev($|\/)|etc\/host(s|name)$)/;
  assert.deepEqual(targets.filter((target) => !expected.test(target)), []);
});

Deno.test("no process of the host is seen", async () => {
  const pids = await world.output(
    "ls /proc | grep '^[0-9]' | sort -n | while read p; do [ $p -lt 3 ] && cat /proc/$p/comm; done; true",
  );
  assert.equal(pids, "rkt-init\nsh\n");
});

/** Paths that no app may change; what App Container's isolation and other runtimes protect. */
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Paths that no app may see. Each kernel has only some of them. */
// deno-fmt-ignore
const HIDDEN = [
  "/proc/acpi", "/proc/asound", "/proc/scsi", "/proc/config.gz", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore",
  "/proc/keys", "/proc/kmem", "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats",
  "/proc/mem", "/proc/sched_debug", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo",
  "/sys/firmware", "/sys/fs", "/sys/hypervisor", "/sys/module", "/sys/power", "/sys/kernel/debug",
  "/sys/devices/virtual/powercap",
];

Deno.test("protected paths can't be written to", async () => {
  const files = [
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/panic_on_oom",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/ksm/run",
  ];
  const script = files.map((file) => `[ -e ${file} ] && { echo 0 > ${file} && echo WRITTEN; }`);
  const { stdout, stderr } = await world.run(`${script.join("\n")}\ntouch /proc/sys/x /sys/x`);
  assert.equal(stdout, "");
  const refused = files.filter(exists);
  assert.ok(refused.includes("/proc/sys/kernel/core_pattern"));
  for (const file of [...refused, "/proc/sys/x", "/sys/x"]) {
    assert.match(stderr, new RegExp(`${file}: (Read-only file system|No such file or directory)`));
  }
  const options = await world.output("cat /proc/mounts");
  const here = READ_ONLY.filter(exists);
  assert.ok(here.includes("/proc/sys") && here.length > 3, `${here}`);
  for (const path of here) assert.match(options, new RegExp(`^\\S+ ${path} \\S+ ro,`, "m"), path);
  assert.match(options, /^\S+ \/sys sysfs ro,nosuid,nodev,noexec/m);
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("hidden paths are empty, and can't be uncovered", async () => {
  const paths = HIDDEN.filter(exists);
  assert.ok(paths.includes("/proc/kallsyms") && paths.includes("/sys/module"), `${paths}`);
  const script = paths.map((path) =>
    `if [ -d ${path} ]; then ls -A ${path}; else cat ${path}; fi | wc -c; umount ${path} && echo GONE`
  );
  const { stdout } = await world.run(script.join("\n"));
  assert.equal(stdout, "0\n".repeat(paths.length));
});

Deno.test("--insecure-options=paths shows and opens what is protected", async () => {
  const words = world.words(
    "ls /sys/module | wc -l; grep -c ' /proc/' /proc/mounts; grep ' /sys ' /proc/mounts",
  );
  const { stdout } = await rkt("--insecure-options=paths", ...words);
  const [modules, mounts, sys] = stdout.split("\n");
  assert.ok(Number(modules) > 0);
  assert.equal(mounts, "0");
  assert.match(sys ?? "", /sysfs rw,/);
});

/** What /proc/self/status says in an app. */
async function status(flags: readonly string[], ...global: string[]): Promise<Map<string, string>> {
  const { stdout, stderr } = await rkt(
    ...global,
    ...world.words("cat /proc/self/status", ...flags),
  );
  assert.notEqual(stdout, "", stderr);
  return processStatus(stdout);
}

const bits = (...names: readonly string[]): string =>
  names.reduce((set, name) => set | 1n << BigInt(CAPABILITIES.indexOf(`CAP_${name}`)), 0n)
    .toString(16).padStart(16, "0");

// deno-fmt-ignore
const FOURTEEN = bits("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "KILL", "MKNOD",
  "NET_RAW", "NET_BIND_SERVICE", "SETUID", "SETGID", "SETPCAP", "SETFCAP", "SYS_CHROOT");
const NONE = bits();

/** Inheritable, permitted, effective, bounding, ambient. */
function capabilities(fields: Map<string, string>): (string | undefined)[] {
  return ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((name) => fields.get(name));
}

Deno.test("an app of root has 14 capabilities, and no more by any way", async () => {
  const fields = await status([]);
  assert.deepEqual(capabilities(fields), [NONE, FOURTEEN, FOURTEEN, FOURTEEN, NONE]);
  assert.equal(fields.get("NoNewPrivs"), "0");
});

Deno.test("an app of another user has none, and gets none", async () => {
  const fields = await status(["--user=1000", "--group=1000"]);
  assert.deepEqual(capabilities(fields), [NONE, NONE, NONE, FOURTEEN, NONE]);
  assert.equal(fields.get("NoNewPrivs"), "1");
});

Deno.test("--caps-retain and --caps-remove choose", async () => {
  const chown = bits("CHOWN");
  const retained = await status(["--caps-retain=CAP_CHOWN"]);
  assert.deepEqual(capabilities(retained), [NONE, chown, chown, chown, NONE]);
  const left = (BigInt(`0x${FOURTEEN}`) & ~BigInt(`0x${chown}`)).toString(16).padStart(16, "0");
  const removed = await status(["--caps-remove=CAP_CHOWN"]);
  assert.deepEqual(capabilities(removed), [NONE, left, left, left, NONE]);
});

Deno.test("--insecure-options=capabilities leaves all of them", async () => {
  const here = processStatus(Deno.readTextFileSync("/proc/self/status"));
  const fields = await status([], "--insecure-options=capabilities");
  assert.equal(fields.get("CapEff"), here.get("CapEff"));
  assert.notEqual(fields.get("CapEff"), FOURTEEN);
});

Deno.test("an app has no way to mount, make a namespace with devices, or use an image's devices", async () => {
  const script = "mount -t tmpfs x /srv && echo MOUNTED; umount /proc && echo UNMOUNTED; true";
  assert.equal((await world.run(script)).stdout, "");
  const node = "busybox mknod /srv/null c 1 3; echo x > /srv/null && echo WRITTEN; true";
  assert.doesNotMatch((await world.run(node)).stdout, /WRITTEN/);
});

const USERS: readonly (readonly [readonly string[], string])[] = [
  [[], "0 0 0 root /root"],
  [["--user=www", "--group=staff"], "33 50 50 www /srv"],
  [["--user=1000", "--group=2000"], "1000 2000 2000 1000 /"],
  [["--user=/srv/owned", "--group=/srv/owned"], "1234 2345 2345 1234 /"],
  [["--user=33", "--group=www", "--supplementary-gids=7,8"], "33 34 34 7 8 www /srv"],
];

for (const [flags, expected] of USERS) {
  Deno.test(`run ${flags.join(" ")} runs as ${expected}`, async () => {
    const script = "echo $(id -u) $(id -g) $(id -G) $USER $HOME";
    assert.equal(await world.output(script, ...flags), `${expected}\n`);
  });
}

Deno.test("the environment is what the spec and the flags say, and nothing of the caller's", async () => {
  Deno.writeTextFileSync(`${world.dir}/env`, "# comment\nA=file\nB=file\n\n; too\nC=file\n");
  const run = (...flags: string[]) => {
    const [net, image, app] = [["--net=none"], [BOX, "--exec=/bin/env"], ["--environment=A=app"]];
    return new Deno.Command(RKT, {
      args: [...world.flags, "run", ...net, ...flags, ...image, ...app],
      env: { FROM_CALLER: "yes" },
      stdin: "null",
    }).output();
  };
  const lines = (output: Uint8Array) => new TextDecoder().decode(output).trim().split("\n").sort();
  const always = [
    "AC_APP_NAME=box",
    "HOME=/root",
    "LOGNAME=root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL=/bin/sh",
    "USER=root",
    "container=rkt",
  ];
  const set = await run("--set-env=A=pod", "--set-env=B=pod", `--set-env-file=${world.dir}/env`);
  assert.deepEqual(lines(set.stdout), [...always, "A=app", "B=pod", "C=file"].sort());
  const inherited = lines((await run("--inherit-env")).stdout);
  assert.ok(inherited.includes("FROM_CALLER=yes"));
});

Deno.test("the working directory is / or as asked for", async () => {
  assert.equal(await world.output("pwd"), "/\n");
  assert.equal(await world.output("pwd", "--working-dir=/srv"), "/srv\n");
});

Deno.test("the host name is rkt-UUID or as asked for, also in /etc/hostname", async () => {
  const script = "hostname; cat /etc/hostname";
  const file = `${world.dir}/uuid`;
  const named = await world.output(script, `--uuid-file-save=${file}`);
  const uuid = Deno.readTextFileSync(file);
  assert.equal(named, `rkt-${uuid}\nrkt-${uuid}\n`);
  assert.equal(await world.output(script, "--hostname=my.host"), "my.host\nmy.host\n");
  assert.notEqual(Deno.hostname(), "my.host");
});

Deno.test("--readonly-rootfs makes the root read-only, and volumes stay as they are", async () => {
  const flags = [
    "--readonly-rootfs",
    "--volume=v,kind=empty",
    "--mount=volume=v,target=/made/here",
  ];
  const { code, stdout, stderr } = await world.run(
    "touch /made/here/file && ls /made/here; touch /srv/x; exit 3",
    ...flags,
  );
  assert.equal(code, 3);
  assert.equal(stdout, "file\n");
  assert.match(stderr, /\/srv\/x: Read-only file system/);
});

Deno.test("the root is written out at the pod's end only with --durable-rootfs", async () => {
  const options = async (...flags: string[]) =>
    (await world.output("cat /proc/mounts", ...flags)).split("\n")
      .filter((line) => line.startsWith("none / ")).join();
  // Newer kernels say fsync=volatile.
  assert.match(await options(), /\bvolatile\b/);
  assert.doesNotMatch(await options("--durable-rootfs"), /\bvolatile\b/);
});

Deno.test("an image can't say how rkt is to run it", async () => {
  const name = "coreos.com/rkt/stage2/durable-rootfs";
  const file = await world.build("says.aci", [
    "--name=example.com/says",
    `--annotation=${name}=true`,
    "--annotation=example.com/note=kept",
    "--exec=/bin/true",
  ]);
  const uuidFile = `${world.dir}/says.uuid`;
  const run = [
    "--insecure-options=image",
    "run",
    "--net=none",
    `--uuid-file-save=${uuidFile}`,
    file,
  ];
  assert.equal((await world.rkt(...run)).code, 0);
  const { stdout } = await world.rkt("cat-manifest", `--uuid-file=${uuidFile}`);
  const { annotations } = JSON.parse(stdout).apps[0];
  assert.deepEqual(annotations, [{ name: "example.com/note", value: "kept" }]);
});

/** Runs a shell of the host that execs rkt: with other descriptors, limits, masks. */
function fromShell(prologue: string, script: string, stdin?: string) {
  const args = ["-c", `${prologue} exec "$@"`, "sh", RKT, ...world.words(script)];
  const child = new Deno.Command("bash", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(stdin ?? "")).then(() => writer.close());
  return { child, output: written.then(() => child.output()) };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("standard input, output and error are the caller's", async () => {
  const { stdout, stderr, code } = await fromShell("", "cat; echo bad >&2; exit 2", "a\nb\n")
    .output;
  assert.deepEqual([text(stdout), text(stderr), code], ["a\nb\n", "bad\n", 2]);
});

Deno.test("no descriptor but 0, 1 and 2 reaches the app, and those block", async () => {
  const { stdout } = await fromShell(
    "exec 3</dev/null 7</etc/passwd 200</;",
    "cd /proc/self/fd; echo *; grep flags /proc/self/fdinfo/[012]",
  ).output;
  const [names, ...flags] = text(stdout).trim().split("\n");
  // A shell that lists a directory has it open itself.
  assert.match(names ?? "", /^0 1 2( 3)?$/);
  assert.equal(flags.length, 3);
  for (const line of flags) {
    assert.equal(parseInt(nth(line.split("\t"), 1), 8) & 0o4000, 0, line);
  }
});

Deno.test("the working directory can't be a descriptor of rkt's, which would lead out of the root", async () => {
  for (let fd = 3; fd < 20; fd++) {
    const { code, stdout, stderr } = await world.run("ls", `--working-dir=/proc/self/fd/${fd}`);
    assert.equal(code, 254, stdout);
    assert.match(stderr, /enter the working directory .* ENOENT/);
  }
});

Deno.test("the soft limit of open files is 1024, the hard one the caller's", async () => {
  const { stdout } = await fromShell(
    "ulimit -Sn 3000; ulimit -Hn 5000;",
    "grep 'open files' /proc/self/limits",
  )
    .output;
  assert.match(text(stdout), /Max open files +1024 +5000 /);
});

Deno.test("the app ignores nothing of what the caller ignores but SIGHUP, and holds nothing back", async () => {
  const env = ["--default-signal", "--ignore-signal=PIPE", "--ignore-signal=CHLD"];
  const { code, stdout, stderr } = await new Deno.Command("env", {
    args: [
      ...env,
      "--ignore-signal=USR1",
      "--ignore-signal=HUP",
      RKT,
      ...world.flags,
      "run",
      "--net=none",
    ]
      .concat(BOX, "--exec=/bin/cat", "--", "/proc/self/status"),
  }).output();
  assert.deepEqual([code, text(stderr)], [0, ""]);
  const fields = processStatus(text(stdout));
  assert.equal(fields.get("SigBlk"), NONE);
  const ignored = BigInt(`0x${fields.get("SigIgn")}`);
  assert.equal(ignored, 1n);
});

Deno.test("the file mode mask is 022 whatever the caller's is", async () => {
  const { stdout } = await fromShell("umask 077;", "umask; touch /srv/f; stat -c %a /srv/f").output;
  assert.equal(text(stdout), "0022\n644\n");
});

Deno.test("the pod's own processes do not keep the app's output open", async () => {
  const pod = await world.start("exec >&-; sleep 1000");
  assert.equal(await pod.line(), undefined);
  assert.equal(Deno.readTextFileSync(`/proc/${pod.pid}/comm`), "rkt-supervisor\n");
  await pod.end();
});
