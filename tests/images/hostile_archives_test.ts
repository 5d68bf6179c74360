/** `rkt fetch` of archives made to do harm: each refused in one line, nothing touched, nothing left. */
import assert from "node:assert/strict";
import {
  directory,
  entry,
  hardlink,
  image,
  symlink,
} from "../../src/aci/testing/archive_fixture.ts";
import { hostileArchives } from "../world/hostile_archives.ts";

const rkt = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;

/** A place for one test: a directory outside that must not change, a data directory, an image file. */
class Place implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "rkt-hostile-" });
  readonly outside: string = `${this.path}/outside`;
  readonly data: string = `${this.path}/data`;

  constructor() {
    Deno.mkdirSync(`${this.outside}/sub`, { recursive: true });
    for (const name of ["file", "sub/file"]) {
      Deno.writeTextFileSync(`${this.outside}/${name}`, "canary");
      Deno.utimeSync(`${this.outside}/${name}`, 1000, 1000);
    }
  }

  /** All that can be seen of the tree outside, and of what lies beside it. */
  state(): string {
    return find(this.outside, "%P %y %m %U %G %s %n %T@ %C@\n") + find(this.path, "%f\n", "1");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function find(path: string, format: string, depth = "100"): string {
  const args = [path, "-maxdepth", depth, "-printf", format];
  const output = new Deno.Command("find", { args }).outputSync();
  assert(output.success, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout).split("\n").sort().join("\n");
}

/** So many archives are fetched by one command. */
const AT_ONCE = 8;

async function fetch(place: Place, ...files: readonly string[]) {
  const args = [`--dir=${place.data}`, "--insecure-options=image", "fetch", ...files];
  const { code, stderr } = await new Deno.Command(rkt, { args, stdout: "null", stderr: "piped" })
    .output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("rkt fetch refuses hostile archives and leaves nothing behind", async () => {
  using place = new Place();
  const cases = hostileArchives(place.outside);
  assert(cases.length >= 200, `only ${cases.length} archives`);
  const [first = [], second = []] = ["a", "b"].map((worker) =>
    Array.from({ length: AT_ONCE }, (_, i) => `${place.path}/${worker}${i}.aci`)
  );
  for (const file of [...first, ...second]) Deno.writeTextFileSync(file, "");
  await fetch(place, ...first);
  const before = place.state();
  const dataBefore = find(place.data, "%P %y\n");

  const left = [...cases];
  const worker = async (files: readonly string[]) => {
    for (let next = left.splice(0, AT_ONCE); next.length > 0; next = left.splice(0, AT_ONCE)) {
      const used = files.slice(0, next.length);
      next.forEach(([, bytes], i) => Deno.writeFileSync(used[i] ?? "", bytes));
      const { code, stderr } = await fetch(place, ...used);
      const names = next.map(([name]) => name);
      assert.equal(code, 254, `${names}: exit status ${code}: ${stderr}`);
      const lines = stderr.split("\n").slice(0, next.length);
      names.forEach((name, i) => {
        const line = lines[i] ?? "";
        assert(
          line.startsWith(`fetch: ${used[i]}: `) && line.length < 1000,
          `${name}: no single clear line: ${stderr}`,
        );
        assert.doesNotMatch(line, /a bug in rkt/, name);
      });
      const count = `fetch: ${next.length} of ${next.length} images could not be fetched`;
      assert.deepEqual(stderr.split("\n").slice(next.length), next.length > 1 ? [count, ""] : [""]);
      assert.equal(place.state(), before, `${names}: changed something outside`);
    }
  };
  await Promise.all([worker(first), worker(second)]);
  assert.equal(find(place.data, "%P %y\n"), dataBefore);
});

Deno.test("rkt fetch takes what only looks hostile, and touches nothing outside", async () => {
  using place = new Place();
  const file = `${place.path}/image.aci`;
  const { outside } = place;
  Deno.writeFileSync(
    file,
    image(
      symlink("rootfs/absolute", outside),
      symlink("rootfs/relative", `${"../".repeat(20)}${outside.slice(1)}/file`),
      hardlink("rootfs/link-to-link", "rootfs/absolute"),
      symlink("rootfs/loop", "loop"),
      entry({ path: "rootfs/...", mode: 0o6777 }, "x"),
      entry({ path: "rootfs/-rf *\n\x1b[31m\xff" }, "x"),
      directory("rootfs/sticky", { mode: 0o7777 }),
      entry({ path: `rootfs/${"deep/".repeat(300)}f` }, "x"),
      entry({ path: "rootfs/pipe", kind: "fifo", mode: 0o666 }),
    ),
  );
  const before = place.state();
  const { code, stderr } = await fetch(place, file);
  assert.equal(code, 0, stderr);
  assert.equal(place.state().replace(/^data$\n/m, ""), before);
});
