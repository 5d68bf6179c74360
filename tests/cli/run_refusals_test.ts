/** What `rkt run` can't do: one line that says what to do, exit status 254, nothing left behind. And `--dry-run`. */
import assert from "node:assert/strict";
import { SYSCALLS } from "../../stage1/engine/syscalls.ts";
import { testImage } from "../world/aci.ts";
import { BOX, list, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  Deno.writeTextFileSync(`${world.dir}/text.aci`, "this is no archive\n".repeat(100));
  Deno.writeTextFileSync(`${world.dir}/empty.aci`, "");
  const image = (name: string, manifest: Record<string, unknown>) =>
    testImage(world.dir, { name: `example.com/${name}`, shell: true, manifest });
  const app = { exec: ["/bin/sh"], user: "0", group: "0" };
  const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
  const other = arch === "amd64" ? "aarch64" : "amd64";
  image("other-arch", {
    app,
    labels: [{ name: "os", value: "linux" }, { name: "arch", value: other }],
  });
  image("other-os", {
    app,
    labels: [{ name: "os", value: "freebsd" }, { name: "arch", value: "amd64" }],
  });
  image("no-os", { app, labels: [{ name: "version", value: "1.0" }] });
  image("no-arch", { app, labels: [{ name: "os", value: "linux" }] });
  image("no-app", {});
  // What has to be found out once about the place is known from here on.
  await world.output("true");
  await world.rkt("gc", "--grace-period=0s");
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Everything below a directory, with sizes. */
function tree(path: string): string[] {
  return list(path).flatMap((name) => {
    const full = `${path}/${name}`;
    const { isDirectory, size } = Deno.lstatSync(full);
    return isDirectory ? [`${full}/`, ...tree(full)] : [`${full} ${size}`];
  });
}

const shell = [BOX];

/** Flags, and what the one line must match. DIR stands for the world's directory. */
const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["a file that is no archive", ["DIR/text.aci"], /text\.aci.*(not|no) /],
  ["an empty file", ["DIR/empty.aci"], /empty\.aci/],
  ["a file that is not there", ["DIR/none.aci"], /none\.aci.*(no such file|not)/],
  ["a directory", ["DIR/root/"], /root\//],
  [
    "an image for another machine",
    ["DIR/other-arch-1.0.aci"],
    /other-arch" is for arch ".*this machine/,
  ],
  ["an image for another system", ["DIR/other-os-1.0.aci"], /other-os" is for os "freebsd"/],
  ["an image without os", ["DIR/no-os-1.0.aci"], /no-os": no "os" label; rkt runs only/],
  ["an image without arch", ["DIR/no-arch-1.0.aci"], /no-arch": no "arch" label; rkt runs only/],
  ["an image without app", ["DIR/no-app-1.0.aci"], /does not say what to run; say it with --exec/],
  [
    "a missing program",
    [...shell, "--exec=/bin/none"],
    /exec "\/bin\/none" is not in the image.*--exec/,
  ],
  ["a missing command", [...shell, "--exec=none"], /exec "none" is not in the image .*--exec/],
  [
    "a program that is a text",
    [...shell, "--exec=/srv/plain"],
    /"\/srv\/plain" is not executable.*--exec/,
  ],
  ["a program that is a directory", [...shell, "--exec=/srv"], /"\/srv" is not a file.*--exec/],
  ["a missing user", [...shell, "--user=nobody"], /no user "nobody" in the image.*--user/],
  ["a missing group", [...shell, "--group=none"], /no group "none" in the image.*--group/],
  ["a missing owner", [...shell, "--user=/none"], /has no \/none, whose owner.*--user/],
  [
    "a missing directory",
    [...shell, "--working-dir=/none"],
    /directory \/none is not in.*--working-dir/,
  ],
  [
    "a directory that is a file",
    [...shell, "--working-dir=/srv/plain"],
    /plain is not a dir.*--working-dir/,
  ],
  [
    "a missing source",
    ["--volume=v,kind=host,source=/none/at/all", ...shell, "--mount=volume=v,target=/v"],
    /volume "v": there is no \/none on the host, a parent of \/none\/at\/all; make it/,
  ],
  [
    "a mount of no volume",
    [...shell, "--mount=volume=v,target=/v"],
    /no volume "v"; declare it with --volume/,
  ],
  [
    "two mounts at one place",
    [
      "--volume=v,kind=empty",
      "--volume=w,kind=empty",
      ...shell,
      "--mount=volume=v,target=/v",
      "--mount=volume=w,target=v/.",
    ],
    /--mount: "?\/v"? is there twice/,
  ],
  [
    "a mount on /proc",
    ["--volume=v,kind=empty", ...shell, "--mount=volume=v,target=/proc"],
    /no volume can be mounted on \/proc/,
  ],
  ["two apps of one name", [BOX, "---", BOX], /already an app "box" in this pod.*--name/],
  ["an unknown name", ["example.com/none"], /example\.com\/none/],
  ["an unknown ID", ["sha512-00000000"], /sha512-00000000"? is not in the store/],
  ["a capability that there is not", [...shell, "--caps-retain=CAP_NONE"], /CAP_NONE/],
  ["no image", [], /an image is needed/],
];

for (const [what, args, message] of REFUSED) {
  Deno.test(`run refuses ${what}`, async () => {
    const before = list(world.dir);
    const words = args.map((arg) => arg.replaceAll("DIR", world.dir));
    const { code, stdout, stderr } = await world.rkt(
      "--insecure-options=image",
      "run",
      "--net=none",
      ...words,
    );
    assert.equal(code, 254, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^run: [^\n]+\n$/);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /this is a bug/);
    assert.deepEqual(world.pods(), []);
    assert.deepEqual(list(`${world.dataDir}/cas/tmp`), []);
    assert.deepEqual(list(`${world.dataDir}/tmp`), []);
    assert.deepEqual(list(world.dir), before);
  });
}

Deno.test("run refuses networks that there are not, before there is a pod", async () => {
  const { code, stderr } = await world.rkt("run", "--net=default,none-such", BOX);
  assert.equal(code, 254);
  assert.match(
    stderr,
    /^run: --net: there is no network "none-such"; there are [^\n]*default[^\n]*\n$/,
  );
  assert.deepEqual(world.pods(), []);
  assert.deepEqual(list(`${world.dataDir}/networks`), []);
});

/** Flags, and the line of stage1. What no look at the image can tell is told by the step that failed. */
const FAILED: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    "a program without its interpreter",
    [BOX, "--exec=/srv/script"],
    /^stage1: execute \/srv\/script in app "box": ENOENT \(no such file or directory\); the image, or --exec/,
  ],
  [
    "a target below a file",
    ["--volume=v,kind=empty", BOX, "--mount=volume=v,target=/srv/plain/v"],
    /^stage1: open \/srv\/plain in app "box": ENOTDIR \(not a directory\); volume "v" cannot be mounted/,
  ],
  [
    "a working directory that the user may not enter",
    [BOX, "--user=1000", "--group=1000", "--working-dir=/private"],
    /^stage1: enter the working directory \/private in app "box": EACCES \(permission denied\); make it/,
  ],
];

for (const [what, args, message] of FAILED) {
  Deno.test(`a step that fails is told of: ${what}`, async () => {
    const { code, stdout, stderr } = await world.rkt("run", "--net=none", ...args);
    assert.equal(code, 254, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^stage1: [^\n]+\n$/);
    assert.match(stderr, message);
    await world.rkt("gc", "--grace-period=0s");
    assert.deepEqual(world.pods(), []);
  });
}

Deno.test("an image with something else at /dev is told of", async () => {
  const root = `${world.dir}/odd`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  Deno.copyFileSync(`${world.root}/bin/busybox`, `${root}/bin/busybox`);
  for (
    const [name, make] of [
      ["dev", (path: string) => Deno.writeTextFileSync(path, "")],
      ["proc", (path: string) => Deno.symlinkSync("/srv", path)],
    ] as const
  ) {
    make(`${root}/${name}`);
    const flags = [`--name=example.com/odd-${name}`, "--exec=/bin/busybox"];
    const file = await world.build(`odd-${name}.aci`, flags, root);
    const { code, stderr } = await world.rkt("--insecure-options=image", "run", "--net=none", file);
    assert.equal(code, 254);
    const line = `^stage1: open /${name} in app "odd-${name}": (ENOTDIR|ELOOP) .*at /${name}\n$`;
    assert.match(stderr, new RegExp(line));
    Deno.removeSync(`${root}/${name}`);
  }
  await world.rkt("gc", "--grace-period=0s");
});

for (const kind of ["index.erofs", "rootfs"]) {
  Deno.test(`a tree whose ${kind} is gone is made again`, async () => {
    await using place = await World.make(kind === "rootfs" ? "extracted" : "indexed");
    assert.equal(await place.output("echo before"), "before\n");
    const [id] = list(`${place.dataDir}/cas/tree`);
    Deno.removeSync(`${place.dataDir}/cas/tree/${id}/${kind}`, { recursive: true });
    assert.equal(await place.output("echo after", "--user=www"), "after\n");
    assert.deepEqual(list(`${place.dataDir}/cas/tree`), [id]);
    assert.ok(list(`${place.dataDir}/cas/tree/${id}`).includes(kind));
  });
}

/** A system call that fails (strace(1) sees to it), and the line of stage1. */
const INJECTED: readonly (readonly [string, string])[] = [
  ["clone:error=EAGAIN", "make the pod's init: EAGAIN (resource temporarily unavailable)"],
  ["unshare:error=ENOSPC", "make the pod's namespaces: ENOSPC (no space left on device)"],
  ["sethostname:error=EPERM", "set the host name: EPERM (operation not permitted)"],
  // What init makes before it: its root, the shared memory. The overlay is the supervisor's.
  [
    "fsopen:error=EPERM:when=3",
    'mount tmpfs on /dev in app "box": EPERM (operation not permitted)',
  ],
  [
    "fsopen:error=ENODEV:when=1",
    'mount the root of app "box": ENODEV (no such device or file system type)',
  ],
  ["mknodat:error=EPERM:when=1", 'make /dev/null in app "box": EPERM (operation not permitted)'],
  ["pivot_root:error=EPERM", "change the root to the app's: EPERM (operation not permitted)"],
  [
    "setgroups:error=EPERM",
    'set the supplementary groups in app "box": EPERM (operation not permitted)',
  ],
  [
    "setresuid:error=EAGAIN",
    'become user 7 in app "box": EAGAIN (resource temporarily unavailable)',
  ],
  ["capset:error=EPERM", 'set the capabilities in app "box": EPERM (operation not permitted)'],
];

for (const [inject, line] of INJECTED) {
  Deno.test(`a failing ${inject.replace(/:when.*/, "")} is told of: ${line}`, async () => {
    const [call] = inject.split(":");
    const strace = [
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      `inject=${inject}`,
    ];
    const { code, stdout, stderr } = await new Deno.Command("strace", {
      args: [...strace, RKT, ...world.words("echo up", "--user=7")],
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    assert.equal(decoder.decode(stderr), `stage1: ${line}\n`);
    assert.equal(decoder.decode(stdout), "");
    assert.equal(code, 254);
    await world.rkt("gc", "--grace-period=0s");
    assert.deepEqual(world.pods(), []);
  });
}

/** The arguments of a call as the printer shows them. */
function split(shown: string): string[] {
  const words = [""];
  let depth = 0;
  for (const part of shown.match(/"(?:\\.|[^"\\])*"|, |[\s\S]/g) ?? []) {
    if (/^[[{(]$/.test(part)) depth += 1;
    if (/^[\]})]$/.test(part)) depth -= 1;
    if (part === ", " && depth === 0) words.push("");
    else words[words.length - 1] += part;
  }
  return words;
}

Deno.test("--dry-run prints every step, and does none of them", async () => {
  const file = await world.build("dry.aci", ["--name=example.com/dry", "--exec=/bin/sh"]);
  const volume = `${world.dir}/dry-volume`;
  Deno.mkdirSync(volume);
  const before = [...tree(world.dataDir), ...list(world.dir), ...tree(volume)];
  const uuidFile = `${world.dir}/dry-uuid`;
  const { code, stdout, stderr } = await world.rkt(
    "--insecure-options=image",
    "run",
    "--dry-run",
    "--net=none",
    `--uuid-file-save=${uuidFile}`,
    `--volume=v,kind=host,source=${volume},readOnly=true`,
    file,
    "--user=1000",
    "--group=1000",
    "--readonly-rootfs",
    "--mount=volume=v,target=/made",
    "--",
    "-c",
    "exit 3",
  );
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual([...tree(world.dataDir), ...list(world.dir), ...tree(volume)], before);

  for (
    const expected of [
      /store image example\.com\/dry as sha512-/,
      /clone\([A-Z_|]*CLONE_NEWPID[A-Z_|]*SIGCHLD/,
      /pivot_root\("\.", "\."\)/,
      /mount_setattr\(.*MOUNT_ATTR_RDONLY/,
      /prctl\(PR_CAPBSET_DROP, CAP_SYS_ADMIN, /,
      /setresuid\(1000, 1000, 1000\)/,
      /prctl\(PR_SET_NO_NEW_PRIVS, 1, /,
      /execve\("\/bin\/sh", \["\/bin\/sh", "-c", "exit 3"\], \[/,
      /what app "dry" is left with/,
      /capabilities +AUDIT_WRITE CHOWN /,
      /\/made +volume "v" from .*, read-only/,
    ]
  ) assert.match(stdout, expected);
  assert.doesNotMatch(stdout, /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/);
});

Deno.test("--dry-run shows every flag by its name", async () => {
  const { stdout } = await world.rkt("run", "--dry-run", "--net=none", BOX);
  let seen = 0;
  for (const line of stdout.split("\n")) {
    const [, name = "", rest = ""] =
      /^ {4}([a-z_0-9]+)\((.*)\)( = <[^>]+>)?( \(.*\)| → .*)?( +#.*)?$/.exec(line) ?? [];
    if (!(name in SYSCALLS)) continue;
    seen += 1;
    const parameters: readonly string[] = SYSCALLS[name as keyof typeof SYSCALLS].parameters;
    const words = split(rest);
    for (const [i, parameter] of parameters.entries()) {
      if (/^(int|size|fd|pid|pointer|octal|hexadecimal|device)$/.test(parameter)) continue;
      assert.doesNotMatch(words[i] ?? "", /^-?[1-9]|0x/, `${parameter} in ${line}`);
    }
  }
  assert.ok(seen > 150, `${seen} calls`);
});

Deno.test("an isolator that is not enforced is warned of at every run", async () => {
  await using world = await World.make();
  const network = { name: "resource/network-bandwidth", value: { default: true, limit: "1M" } };
  const limited = await world.image("limited", { isolators: [network] });
  const fetched = await world.rkt("--insecure-options=image", "fetch", "--full", limited);
  for (let i = 0; i < 2; i++) {
    const { code, stderr } = await world.rkt("run", "--net=none", fetched.stdout.trim());
    assert.equal(code, 0, stderr);
    assert.equal(
      stderr,
      'run: warning: app "limited": isolator resource/network-bandwidth is not enforced by this version of rkt\n',
    );
  }
});
