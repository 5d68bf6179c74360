/** Files of the host that images, apps and the caller's umask must not get at or open up. */
import assert from "node:assert/strict";
import { cstring, syscall, trySyscall } from "../../src/linux/syscall.ts";
import { exists } from "../../src/linux/exists.ts";
import { list, makeRoot, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const mode = (path: string): number => (Deno.statSync(path).mode ?? 0) & 0o7777;

const ATTRIBUTE = cstring("security.capability");

const hasCapabilities = (path: string): boolean =>
  trySyscall("getxattr", cstring(path), ATTRIBUTE, new Uint8Array(64), 64) > 0;

Deno.test("image extract and render leave out what gives privileges, unless they are to keep it", async () => {
  const root = `${world.dir}/special`;
  makeRoot(root);
  Deno.chmodSync(`${root}/bin/busybox`, 0o6755);
  Deno.chmodSync(`${root}/srv`, 0o3775);
  Deno.writeTextFileSync(`${root}/srv/capable`, "");
  const run = async (program: string, ...args: string[]) => {
    const { code, stderr } = await new Deno.Command(program, { args }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  };
  // cap_net_admin=ep, version 2 (include/uapi/linux/capability.h)
  const capability = Uint8Array.fromHex("0100000200100000000000000000000000000000");
  const capable = cstring(`${root}/srv/capable`);
  syscall("give it a capability", "setxattr", capable, ATTRIBUTE, capability, capability.length, 0);
  await run("mknod", `${root}/srv/disk`, "b", "8", "0");
  await run("mknod", `${root}/srv/null`, "c", "1", "3");
  await run("mkfifo", `${root}/srv/fifo`);
  const file = await world.build("special.aci", ["--name", "example.com/special"], root);
  const fetched = await world.rkt("--insecure-options=image", "fetch", file);
  assert.equal(fetched.code, 0, fetched.stderr);
  for (const command of ["extract", "render"]) {
    for (const keep of [false, true]) {
      const to = `${world.dir}/${command}-${keep}`;
      const flags = ["--rootfs-only", ...keep ? ["--special-files"] : []];
      const { code, stderr } = await world.rkt(
        "image",
        command,
        ...flags,
        "example.com/special",
        to,
      );
      assert.equal(code, 0, stderr);
      assert.equal(mode(`${to}/bin/busybox`), keep ? 0o6755 : 0o755, command);
      assert.equal(mode(`${to}/srv`), 0o3775, "a directory's setgid gives nobody anything");
      assert.equal(exists(`${to}/srv/disk`), keep, command);
      assert.equal(exists(`${to}/srv/null`), keep, command);
      assert.ok(exists(`${to}/srv/fifo`));
      assert.equal(hasCapabilities(`${to}/srv/capable`), keep, command);
    }
  }
});

Deno.test("an image's /etc that leads to a volume gets no files of rkt's", async () => {
  const data = `${world.dir}/volume`;
  Deno.mkdirSync(data);
  const links: Readonly<Record<string, (root: string) => void>> = {
    directory: (root) => {
      Deno.removeSync(`${root}/etc`, { recursive: true });
      Deno.symlinkSync("/data", `${root}/etc`);
    },
    files: (root) => {
      for (const name of ["resolv.conf", "hosts", "hostname"]) {
        if (exists(`${root}/etc/${name}`)) Deno.removeSync(`${root}/etc/${name}`);
        Deno.symlinkSync(`/data/${name}`, `${root}/etc/${name}`);
      }
    },
  };
  for (const [name, link] of Object.entries(links)) {
    const root = `${world.dir}/root-${name}`;
    makeRoot(root);
    Deno.mkdirSync(`${root}/data`);
    link(root);
    const image = `example.com/${name}`;
    const file = await world.build(`${name}.aci`, ["--name", image, "--exec", "/bin/sh"], root);
    const fetched = await world.rkt("--insecure-options=image", "fetch", file);
    assert.equal(fetched.code, 0, fetched.stderr);
    const volume = [`--volume=v,kind=host,source=${data}`, "--mount=volume=v,target=/data"];
    for (const flags of [[], ["--dns=192.0.2.1"], ["--hosts-entry=192.0.2.1=x"]]) {
      const { code, stdout, stderr } = await world.rkt(
        ...["run", "--net=none", ...flags, ...volume, image, "--", "-c"],
        "cat /etc/resolv.conf /etc/hosts; true",
      );
      assert.deepEqual(list(data), [], `${name} ${flags}: ${stderr}`);
      if (name === "files" && flags.length > 0) {
        assert.equal(code, 0, stderr);
        assert.match(stdout, /192\.0\.2\.1/, "it is the app's own");
      } else if (code !== 0) assert.match(stderr, /another mount|EXDEV/);
    }
  }
});

Deno.test("directories of configuration are for nobody but their owner to write, whatever the umask is", async () => {
  const config = `${world.dir}/config/rkt`;
  const key = `${world.dir}/key.asc`;
  const home = Deno.makeTempDirSync({ dir: world.dir });
  const script = `umask 0; export GNUPGHOME=${home}; ` +
    "gpg --batch --quiet --passphrase '' --quick-generate-key a@example.com ed25519 sign never && " +
    `gpg --batch --quiet --armor --output ${key} --export a@example.com && ` +
    `'${RKT}' --local-config=${config} trust --prefix=example.com/some/app --skip-fingerprint-review ${key}`;
  const { code, stderr } = await new Deno.Command("sh", { args: ["-c", script], stdin: "null" })
    .output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const writable: string[] = [];
  const look = (path: string) => {
    if ((mode(path) & 0o022) !== 0) writable.push(path);
    if (!Deno.statSync(path).isDirectory) return;
    for (const name of list(path)) look(`${path}/${name}`);
  };
  look(`${world.dir}/config`);
  assert.deepEqual(writable, []);
});

Deno.test("an app that makes itself a user namespace does not lock the administrator out, nor get more by it", async () => {
  const pod = await world.start(
    "exec busybox unshare -U -r busybox sh -c 'echo there; exec sleep 1000'",
    "--seccomp=mode=retain,@appc.io/all",
  );
  assert.equal(await pod.line(), "there");
  const uuid =
    list(`${world.dataDir}/pods/run`).find((each) =>
      Deno.readTextFileSync(`${world.dataDir}/pods/run/${each}/ppid`).trim() === `${pod.pid}`
    ) ?? "";
  const inApp = (file: string) => Deno.readLinkSync(`/proc/${pod.init}/${file}`);
  const { code, stdout, stderr } = await world.rkt(
    ...["enter", uuid, "/bin/sh", "-c"],
    "readlink /proc/self/ns/user; id -u; grep ^CapBnd /proc/self/status",
  );
  assert.equal(code, 0, stderr);
  const [users, id, bounding = ""] = stdout.trim().split("\n");
  assert.equal(users, inApp("ns/user"), "that of the pod");
  assert.equal(id, "0");
  assert.doesNotMatch(
    bounding,
    /ffffffff$/,
    "what the app has in its own namespace is not the pod's",
  );
  await pod.end();
});
