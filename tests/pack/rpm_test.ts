/** The package for Fedora and its relatives: installed, used, upgraded and removed by rpm, in a root of its own. */
import assert from "node:assert/strict";
import { addPackages } from "../../scripts/vm/packages.ts";
import { addProgram } from "../world/host_world.ts";
import { RKT } from "../world/rkt.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();

/** Runs a program to its end, which has to be a success. Returns what it prints. */
async function run(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" })
    .output();
  assert.equal(code, 0, text(stderr));
  return text(stdout);
}

/** Says that a root has what the package asks for, at the lowest version. */
const BASE = `Name: base
Version: 1
Release: 1
Summary: what is in the root
License: none
Provides: glibc = 2.28, libgcc = 8, /bin/sh
%description
None.
%files
`;

/** Makes the package `BASE` in a directory. Returns its path. */
async function makeBase(directory: string): Promise<string> {
  await Deno.writeTextFile(`${directory}/base.spec`, BASE);
  const define = (name: string, value: string) => ["--define", `${name} ${value}`];
  const places = ["_topdir", "_rpmdir"].flatMap((name) => define(name, directory));
  const names = define("_build_name_fmt", "%{NAME}.rpm");
  await run("rpmbuild", "-bb", "--quiet", ...places, ...names, `${directory}/base.spec`);
  return `${directory}/base.rpm`;
}

/** A root with a shell, and the libraries that the package asks for. */
async function makeRoot(root: string): Promise<void> {
  for (const place of ["bin", "etc", "tmp", "proc", "dev", "var/lib"]) {
    await Deno.mkdir(`${root}/${place}`, { recursive: true });
  }
  const busybox = await run("which", "busybox");
  await Deno.copyFile(busybox, `${root}/bin/busybox`);
  for (const name of ["sh", "ls"]) await Deno.symlink("busybox", `${root}/bin/${name}`);
  await Deno.writeTextFile(`${root}/dev/null`, "");
  await addProgram(root, RKT);
  await Deno.remove(`${root}${RKT}`);
}

Deno.test("the RPM is installed, used, upgraded and removed", async (test) => {
  const directory = await Deno.makeTempDir({ prefix: "rkt-rpm-test-" });
  try {
    await addPackages(directory, ["rpm"]);
    const root = `${directory}/root`;
    await makeRoot(root);
    const rpm = (...words: string[]) => run("rpm", "--root", root, ...words);
    const enter = 'mount --bind /proc "$1/proc"; exec chroot "$@"';
    const inRoot = (...words: string[]) =>
      run("unshare", "--mount", "sh", "-ec", enter, "sh", root, ...words);
    const exists = (path: string) => Deno.stat(`${root}${path}`).then(() => true, () => false);
    const query = (file: string) => run("rpm", "-qp", "--qf", "%{VERSION}", `${directory}/${file}`);
    const [old, newer] = [await query("old.rpm"), await query("new.rpm")];

    await test.step("installed, it has its files, and the program starts", async () => {
      const install = () => rpm("--install", `${directory}/old.rpm`);
      await assert.rejects(install(), /glibc >= 2.28 is needed/);
      await rpm("--install", await makeBase(directory));
      await install();
      assert.ok((await inRoot("/usr/bin/rkt", "version")).includes(`rkt Version: ${old}`));
      await rpm("--verify", "rkt");
      for (const path of ["/usr/lib/systemd/system/rkt-gc.timer", "/etc/apparmor.d/rkt-app"]) {
        assert.ok(await exists(path), path);
      }
      await Deno.writeTextFile(`${root}/etc/apparmor.d/rkt-app`, "# the administrator's\n");
    });
    await test.step("upgraded, it keeps what the administrator has changed", async () => {
      await rpm("--upgrade", `${directory}/new.rpm`);
      assert.equal(await rpm("--query", "--qf", "%{VERSION}", "rkt"), newer);
      assert.equal(
        await Deno.readTextFile(`${root}/etc/apparmor.d/rkt-app`),
        "# the administrator's\n",
      );
    });
    await test.step("removed, it leaves images and pods", async () => {
      await Deno.mkdir(`${root}/var/lib/rkt/cas`, { recursive: true });
      await rpm("--erase", "rkt");
      assert.ok(!await exists("/usr/bin/rkt"));
      assert.ok(await exists("/var/lib/rkt/cas"));
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
