/**
 * The same commands of an unmodified podman with rkt and with runc below it: both have to print and to end the same way. What
 * podman itself says of its runtime, of names and of times is left out.
 */
import assert from "node:assert/strict";
import type { Ended } from "../world/ended.ts";
import { BELOW, type Below, PodmanWorld } from "../world/podman_world.ts";
import { FILES, type PodmanCase, SEQUENCES } from "./podman_commands.ts";

/** Sequences that go on at once. */
const AT_ONCE = 3;

/** What a runtime's name, podman's IDs and times are in an output: nothing that matters. */
const plain = ({ code, stdout }: Ended, dir: string) => ({
  code,
  stdout: stdout.replaceAll(dir, "@").replace(/@\/r(kt|unc)\b/g, "@/runtime")
    .replace(/\b([0-9a-f]{64}|[0-9a-f]{25}|[0-9a-f]{12})\b/g, "ID").replace(
      /^(Error|time=).*$/gm,
      "$1",
    )
    .replace(/\d{4}-\d\d-\d\d[T ]\S*/g, "TIME").replace(
      /(?<=10\.\d\d\.|127\.0\.0\.1:80|-p 80)\d+/g,
      "N",
    )
    .trim(),
});

/** The image of a machine: what the host's systemd needs beside /usr. */
function fillMachine(root: string): void {
  for (const name of ["etc/systemd/system", "usr", "var", "run", "tmp", "root"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    Deno.symlinkSync(`usr/${name}`, `${root}/${name}`);
  }
  const unit = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/bin/sleep 1000\n";
  Deno.writeTextFileSync(`${root}/etc/systemd/system/example.service`, unit);
  const target = "[Unit]\nDefaultDependencies=no\nWants=example.service\nAllowIsolate=yes\n";
  Deno.writeTextFileSync(`${root}/etc/systemd/system/default.target`, target);
  Deno.writeTextFileSync(`${root}/etc/machine-id`, "");
  Deno.writeTextFileSync(`${root}/etc/passwd`, "root:x:0:0::/root:/bin/sh\n");
}

/** Runs sequences, some at once; how each of their commands has ended. */
async function runAll(world: PodmanWorld) {
  const outcomes = new Map<PodmanCase, readonly Ended[]>();
  const rest = [...SEQUENCES];
  const lane = async () => {
    for (let sequence = rest.shift(); sequence !== undefined; sequence = rest.shift()) {
      for (const each of sequence) {
        const one = (below: Below, i: number) => {
          const words = each.words.map((word) => word.replaceAll("%", `${i + 1}`));
          return world.podman(below, words, each.stdin);
        };
        const ended = await Promise.all(BELOW.map(one));
        outcomes.set(each, ended);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return outcomes;
}

Deno.test("podman does with rkt below it what it does with runc", async (test) => {
  await using world = await PodmanWorld.start();
  for (const [name, text] of Object.entries(FILES)) {
    const path = `${world.dir}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text, { mode: 0o755 });
  }
  for (const name of ["readlink", "tail", "uname", "seq", "dd"]) {
    Deno.symlinkSync("busybox", `${world.files.bundle}/rootfs/bin/${name}`);
  }
  await world.import(`${world.files.bundle}/rootfs`, "bb");
  fillMachine(`${world.dir}/machine`);
  await world.import(`${world.dir}/machine`, "machine");
  const outcomes = await runAll(world);
  assert.ok(outcomes.size >= 150, `${outcomes.size} commands`);
  for (const [{ name }, [own, other]] of outcomes) {
    await test.step(name, () => {
      assert.ok(own !== undefined && other !== undefined);
      const said = `${own.stderr}\nrunc: ${other.stderr}`;
      assert.deepEqual(plain(own, world.dir), plain(other, world.dir), said);
    });
  }
});
