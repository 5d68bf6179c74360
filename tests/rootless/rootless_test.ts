/** Pods of users other than root: with ranges of users from the administrator, and with nothing at all. */
import assert from "node:assert/strict";
import { exists } from "../../src/linux/exists.ts";
import { RKT } from "../world/rkt.ts";
import { until } from "../world/until.ts";
import { UserWorld } from "../world/user_world.ts";

const MODES = ["range", "one"] as const;
const usesVersion1 = !exists("/sys/fs/cgroup/cgroup.controllers");
const worlds = new Map<string, UserWorld>();

Deno.test.beforeAll(async () => {
  for (const mode of MODES) worlds.set(mode, await UserWorld.make(mode));
});
Deno.test.afterAll(async () => {
  for (const world of worlds.values()) await world[Symbol.asyncDispose]();
});

function of(mode: string): UserWorld {
  const world = worlds.get(mode);
  assert.ok(world);
  return world;
}

/** The processes of a user, by their command lines. */
function processesOf(uid: number, word: string): readonly string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.statSync(`/proc/${name}`).uid !== uid) continue;
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ");
      if (line.includes(word)) found.push(line);
    } catch {
      // It has ended.
    }
  }
  return found;
}

for (const mode of MODES) {
  const test = (name: string, act: (world: UserWorld) => Promise<void>) =>
    Deno.test(`${name}: ${mode}`, () => act(of(mode)));

  test("an app is root in its pod, and the pod ends as it ended", async (world) => {
    const { stdout, stderr, code } = await world.run(
      "id -u; busybox ps | busybox wc -l; hostname | busybox wc -c; cat /proc/self/uid_map; exit 7",
      "--user=root",
    );
    assert.equal(code, 7, stderr);
    assert.match(stdout, /^0\n/);
    assert.match(stdout, new RegExp(`^\\s+0\\s+${world.uid}\\s+1$`, "m"), "root of it is the user");
  });

  test("what the kernel protects for root's pods it protects for these", async (world) => {
    const { stdout, stderr } = await world.run(
      "for f in /proc/sysrq-trigger /proc/sys/kernel/domainname /sys/kernel/profiling; do " +
        "(echo 0 >$f) && echo $f is writable; done; cat /proc/kcore /proc/keys; ls /sys/firmware; " +
        "busybox mount -t tmpfs none /srv; busybox grep -E 'Seccomp:|CapBnd' /proc/self/status; " +
        "busybox mknod /srv/disk b 8 0; for d in null zero full random urandom; do " +
        "test -c /dev/$d || echo no $d; done; echo x >/dev/null; busybox head -c 4 /dev/zero | wc -c",
    );
    assert.doesNotMatch(stdout, /is writable|^no /m);
    assert.match(stdout, /^Seccomp:\s+2$/m);
    assert.match(stdout, /^CapBnd:\s+00000000a80425fb$/m);
    assert.match(stdout, /^4$/m);
    assert.match(stderr, /mount: .*(not permitted|denied)/);
    assert.match(stderr, /mknod: .*not permitted/);
  });

  test("a running pod is entered, copied from, listed, logged, stopped and removed", async (world) => {
    const child = await world.start(
      "web",
      ...["--net=none", `${world.dir}/box.aci`, "--stdout=log", "--"],
      ...["-c", "echo logged; echo text >/srv/new; sleep 1000"],
    );
    const list = await world.rkt("list");
    assert.match(list.stdout, /\brunning\b.*\bweb\b/);
    const entered = await world.rkt("enter", "web", "/bin/sh", "-c", "id -u; busybox ps; exit 3");
    assert.equal(entered.code, 3, entered.stderr);
    assert.match(entered.stdout, /^0\n[^]*\[rkt-init\][^]*sleep 1000/);
    const copied = await world.rkt("cp", "web:/srv/new", `${world.home}/new`);
    assert.equal(copied.code, 0, copied.stderr);
    assert.equal(Deno.readTextFileSync(`${world.home}/new`), "text\n");
    // Its owner, the host's root, is nobody in his namespace.
    const foreign = await world.rkt("cp", "/etc/passwd", "web:/srv/passwd");
    assert.equal(foreign.code, 0, foreign.stderr);
    assert.equal((await world.rkt("logs", "web")).stdout, "logged\n");
    const stopped = await world.rkt("stop", "web");
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal((await child.status).code, 143);
    const exported = await world.rkt("export", "web", `${world.home}/out.aci`);
    assert.equal(exported.code, 0, exported.stderr);
    assert.equal((await world.rkt("rm", "web")).code, 0);
  });

  test("apps come and go", async (world) => {
    const file = `${world.home}/sandbox`;
    const words = [RKT, "app", "sandbox", "--net=none", `--uuid-file-save=${file}`];
    const sandbox = world.command(words);
    await until(
      () => {
        try {
          return Deno.readTextFileSync(file).length > 30;
        } catch {
          return false;
        }
      },
      60,
      "the sandbox's UUID",
    );
    const uuid = Deno.readTextFileSync(file).trim();
    await until(
      async () => (await world.rkt("status", "--wait-ready", uuid)).code === 0,
      60,
      "the sandbox",
    );
    const steps = [
      ["app", "add", uuid, `${world.dir}/box.aci`, "--name=one", "--", "-c", "sleep 1000"],
      ["app", "start", uuid, "--app=one"],
      ["app", "exec", "--app=one", uuid, "/bin/sh", "-c", "test -c /dev/null"],
      ["app", "stop", uuid, "--app=one"],
      ["app", "rm", uuid, "--app=one"],
      ["stop", uuid],
    ];
    for (const step of steps) {
      const { code, stderr } = await world.rkt(...step);
      assert.equal(code, 0, `${step.join(" ")}: ${stderr}`);
    }
    assert.equal((await sandbox).code, 0);
  });

  test("a pod's port is reached by pasta, which ends with the pod, however that ends", async (world) => {
    const port = 21_000 + world.uid % 1000;
    const html = `${world.dir}/root/srv/index.html`;
    Deno.writeTextFileSync(html, "hello\n");
    const image = await world.build(
      "web",
      ["--exec=/bin/busybox", "--port=http,protocol=tcp,port=80"],
      "root",
    );
    for (const end of ["SIGTERM", "SIGKILL"] as const) {
      const name = `web-${end.toLowerCase()}`;
      const child = await world.start(
        ...[name, `--port=http:${port}`, image, "--"],
        ...["httpd", "-f", "-p", "80", "-h", "/srv"],
      );
      await until(
        async () => {
          const url = `http://127.0.0.1:${port}/`;
          const { stdout } = await world.command(["busybox", "wget", "-q", "-O", "-", url]);
          return stdout === "hello\n";
        },
        60,
        "the pod's server",
      );
      assert.equal(processesOf(world.uid, "pasta").length, 1);
      // Like root's: what listens on the host's loopback interface is not for pods.
      const inside = await world.rkt("enter", name, "/bin/busybox", "ip", "addr", "show", "eth0");
      assert.match(inside.stdout, /inet /, inside.stderr);
      const pid = (await world.rkt("status", name)).stdout.match(/^pid=(\d+)$/m)?.[1];
      Deno.kill(Number(pid), end);
      await child.status;
      if (end === "SIGKILL") await world.rkt("gc", "--grace-period=0s");
      await until(() => processesOf(world.uid, "pasta").length === 0, 60, "pasta's end");
      assert.deepEqual([...Deno.readDirSync(`${world.data}/pasta`)], []);
    }
  });

  test("an app only reads the file that is its standard input, though its root owns it", async (world) => {
    const file = `${world.home}/input`;
    const attack = "for f in /proc/self/fd/0 /dev/stdin; do (: >$f); (echo evil 1<>$f); " +
      "busybox chmod 777 $f; done 2>/dev/null; cat";
    const script = `echo first >${file}; exec "$@" <${file}`;
    const words = ["run", "--net=none", `${world.dir}/box.aci`, "--", "-c", attack];
    for (let i = 0; i < 2; i++) {
      const { stdout, stderr } = await world.command(
        ["sh", "-c", script, "sh", RKT, "--insecure-options=image", ...words],
      );
      assert.equal(stdout, "first\n", stderr);
      assert.equal(Deno.readTextFileSync(file), "first\n");
      assert.equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o644);
    }
  });

  test("what a user's pods can't have is refused in one line", async (world) => {
    const cases = [
      ...usesVersion1
        ? [
          [
            ["run", "--net=none", `${world.dir}/box.aci`, "--memory=64M"],
            /resource\/memory has no effect: cgroups of version 1 can't be delegated to users/,
          ] as const,
        ]
        : [],
      [
        ["run", "--net=other", `${world.dir}/box.aci`],
        /there is no network "other"; there are default, default-restricted/,
      ],
    ] as const;
    for (const [args, message] of cases) {
      const { code, stderr } = await world.rkt(...args);
      assert.equal(code, 254);
      assert.match(stderr, message);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
    assert.deepEqual([...Deno.readDirSync(`${world.data}/pods/embryo`)], []);
  });

  test("nothing that a user's pods leave is more than he can remove", async (world) => {
    await world.run("busybox chmod 0 /srv; busybox mkdir -p /x/y; busybox chmod 0 /x/y /x");
    const gc = await world.rkt("gc", "--grace-period=0s");
    assert.equal(gc.code, 0, gc.stderr);
    const images = await world.rkt("image", "gc", "--grace-period=0s");
    assert.equal(images.code, 0, images.stderr);
    const left = await world.command(["find", world.data, "!", "-user", `${world.uid}`]);
    assert.equal(left.stdout + left.stderr, "");
    const removed = await world.command(["rm", "-r", world.data]);
    assert.equal(removed.code, 0, removed.stderr);
  });

  test("without a home or XDG_DATA_HOME it takes --dir, and says so", async (world) => {
    const { code, stderr } = await world.command([RKT, "list"], { HOME: "" });
    assert.deepEqual([code, stderr.trim().split("\n").length], [254, 1]);
    assert.match(stderr, /has no home directory; set HOME, or name a data directory with --dir/);
    const elsewhere = { HOME: "", XDG_DATA_HOME: `${world.home}/data` };
    assert.equal((await world.command([RKT, "list"], elsewhere)).code, 0);
  });

  test("rkt check says what there is", async (world) => {
    const { code, stdout, stderr } = await world.rkt("check", "--rootless");
    assert.equal(code, 0, stderr);
    const users = mode === "range" ? /^ok\s+users\s+images keep/m : /^less\s+users\s.*subuid/m;
    assert.match(stdout, users);
    assert.match(stdout, /^ok\s+user namespaces/m);
    assert.match(stdout, /^ok\s+overlayfs/m);
    assert.match(stdout, /^ok\s+network\s+pasta$/m);
  });
}

Deno.test("a user trusts keys of his own, for what he runs", async () => {
  const world = of("one");
  const script = [
    "set -e",
    "export GNUPGHOME=$HOME/gnupg; mkdir -m 700 $GNUPGHOME; cd $HOME",
    "gpg --batch --quiet --passphrase '' --quick-generate-key user@example.com",
    "gpg --armor --export user@example.com >key.asc; cp $0 signed.aci",
    "gpg --batch --armor --detach-sign signed.aci; gpgconf --kill all",
  ].join("\n");
  const made = await world.command(["sh", "-c", script, `${world.dir}/box.aci`]);
  assert.equal(made.code, 0, made.stderr);
  const run = () =>
    world.command([RKT, "run", "--net=none", "./signed.aci", "--", "-c", "echo it runs"]);
  const refused = await run();
  assert.deepEqual([refused.code, refused.stdout], [254, ""]);
  assert.match(refused.stderr, /signature refused: made by key ID .* not trusted/);
  const trust = ["trust", "--prefix=example.com/box", "--skip-fingerprint-review", "key.asc"];
  const added = await world.command([RKT, ...trust]);
  assert.match(added.stdout, new RegExp(`"${world.home}/\\.config/rkt/trustedkeys/`), added.stderr);
  assert.equal((await run()).stdout, "it runs\n");
  const [list, status] = [["trust", "list"], ["image", "trust-status", "example.com/box"]];
  assert.match(
    (await world.command([RKT, ...list])).stdout,
    /example\.com\/box\s.*user@example\.com/,
  );
  assert.match((await world.command([RKT, ...status])).stdout, /^verdict: trusted/m);
});

const OWNERS = "stat -c '%n %u:%g %a %h' /srv /srv/owned /srv/nobody /srv/setgid /srv/linked";

const ownersImages = new Map<UserWorld, Promise<string>>();

/** An image with files of many kinds, made once for each user. */
function ownersImage(world: UserWorld): Promise<string> {
  const made = ownersImages.get(world);
  if (made !== undefined) return made;
  makeOwners(`${world.dir}/owners`, `${world.dir}/root`);
  const building = world.build("owners", ["--exec=/bin/sh"], "owners");
  ownersImages.set(world, building);
  return building;
}

/** A copy of a root with files of others, special bits and links. */
function makeOwners(to: string, from: string): void {
  const { success } = new Deno.Command("cp", { args: ["-a", from, to] }).outputSync();
  assert.ok(success);
  Deno.writeTextFileSync(`${to}/srv/nobody`, "");
  Deno.chownSync(`${to}/srv/nobody`, 65_534, 65_534);
  Deno.mkdirSync(`${to}/srv/setgid`);
  Deno.chownSync(`${to}/srv/setgid`, 33, 34);
  Deno.chmodSync(`${to}/srv/setgid`, 0o2775);
  Deno.linkSync(`${to}/srv/owned`, `${to}/srv/linked`);
  Deno.writeTextFileSync(`${to}/srv/capable`, "");
  Deno.writeTextFileSync(`${to}/srv/beyond`, "");
  Deno.chownSync(`${to}/srv/beyond`, 4_000_000, 70_000);
  Deno.writeTextFileSync(`${to}/srv/secret`, "read\n", { mode: 0 });
  Deno.chmodSync(`${to}/srv/secret`, 0);
  for (
    const [program, ...args] of [
      ["setcap", "cap_chown=ep", `${to}/srv/capable`],
      ["mknod", `${to}/srv/disk`, "b", "8", "0"],
    ]
  ) {
    assert.ok(new Deno.Command(program ?? "", { args }).outputSync().success, program);
  }
}

/** All that an image has brought, as an app sees it. */
const TREE = "busybox find /srv /etc /bin -exec stat -c '%n %F %u:%g %a %h %s' {} + | busybox sort";

Deno.test("with ranges the tree is root's: owners, bits, links, capabilities; not what only root may make", async () => {
  const world = of("range");
  const image = await ownersImage(world);
  const asUser = await world.rkt("run", "--net=none", image, "--", "-c", TREE);
  const flags = [`--dir=${world.dir}/root-store`, "--insecure-options=image"];
  const asRoot = await new Deno.Command(RKT, {
    args: [...flags, "run", "--net=none", "--rm", image, "--", "-c", TREE],
  }).output();
  const lines = (text: string) =>
    text.trim().split("\n").filter((line) =>
      !/^\/etc\/(hosts|resolv|hostname|mtab|machine)/.test(line)
    );
  const theirs = lines(new TextDecoder().decode(asRoot.stdout))
    .filter((line) => !line.startsWith("/srv/disk "))
    // The directory has the same names but for that one; its size is the file system's.
    .map((line) =>
      line.replace(
        "/srv/beyond regular empty file 4000000:70000",
        "/srv/beyond regular empty file 65534:65534",
      )
    );
  assert.ok(theirs.length > 5, new TextDecoder().decode(asRoot.stderr));
  const without = (line: string) => line.replace(/( directory .*) \d+$/, "$1");
  assert.deepEqual(lines(asUser.stdout).map(without), theirs.map(without));
  const found = await world.command([
    "sh",
    "-c",
    `/usr/sbin/getcap -n $(find ${world.data}/cas/tree -name capable)`,
  ]);
  assert.match(found.stdout, /cap_chown=ep/, found.stderr);
});

Deno.test("with ranges an image's files are whose they are, and apps who they are", async () => {
  const world = of("range");
  const image = await ownersImage(world);
  const { stdout, stderr } = await world.rkt(
    "run",
    "--net=none",
    image,
    "--user=www",
    "--",
    "-c",
    `id; ${OWNERS}`,
  );
  // A copy for the pod alone has what the tree has.
  const words = ["--no-overlay", image, "--", "-c", "stat -c %u:%g /srv/beyond /srv/nobody"];
  const copied = await world.rkt("run", "--net=none", ...words);
  assert.equal(copied.stdout, "65534:65534\n65534:65534\n", copied.stderr);
  assert.match(stdout, /^uid=33\(www\) gid=0/, stderr);
  assert.match(stdout, /^\/srv\/owned 1234:2345 644 2$/m);
  assert.match(stdout, /^\/srv\/nobody 65534:65534 644 1$/m);
  assert.match(stdout, /^\/srv\/setgid 33:34 2775 2$/m);
});

Deno.test("with one user the same image runs, all files are his, and another user has no capabilities", async () => {
  const world = of("one");
  const image = await ownersImage(world);
  const { stdout, stderr, code } = await world.rkt(
    ...["run", "--net=none", image, "--user=www", "--"],
    ...[
      "-c",
      `id -u; busybox grep CapBnd /proc/self/status; cat /srv/beyond /srv/capable; ${OWNERS}`,
    ],
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^0\nCapBnd:\s+0000000000000000$/m);
  for (const name of ["owned", "nobody", "setgid"]) {
    assert.match(stdout, new RegExp(`^/srv/${name} 0:0 `, "m"));
  }
});

Deno.test("another user reaches nothing of a user's pods", async () => {
  const [mine, other] = [of("range"), of("one")];
  const child = await mine.start(
    "secret",
    "--net=none",
    `${mine.dir}/box.aci`,
    "--",
    "-c",
    "sleep 1000",
  );
  const pid = (await mine.rkt("status", "secret")).stdout.match(/^pid=(\d+)$/m)?.[1];
  for (
    const words of [
      [RKT, `--dir=${mine.data}`, "enter", "secret", "/bin/sh"],
      [RKT, `--dir=${mine.data}`, "stop", "secret"],
      ["ls", `/proc/${pid}/root/`],
      ["nsenter", "-U", "-t", `${pid}`, "id"],
      ["kill", `${pid}`],
      ["ls", mine.data],
    ]
  ) {
    const { code, stdout } = await other.command(words);
    assert.notEqual(code, 0, words.join(" "));
    assert.equal(stdout.trim(), "", words.join(" "));
  }
  assert.equal((await mine.rkt("stop", "secret")).code, 0);
  assert.equal((await child.status).code, 143);
});
