/** Many images at once, and images that depend on many others. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { rkt } from "../world/rkt.ts";
import { RKT } from "../world/rkt.ts";
import { within } from "../world/until.ts";

/** A data directory and a place for images. */
class Place implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "rkt-many-" });
  readonly flags = [
    `--dir=${this.dir}/data`,
    `--local-config=${this.dir}/etc`,
    "--insecure-options=image",
  ];

  image(name: string, below: readonly string[] = [], shell = false): string {
    const manifest = {
      dependencies: below.map((each) => ({ imageName: `example.com/${each}` })),
      app: { exec: ["/bin/busybox", "sh", "-c", "echo it runs"], user: "0", group: "0" },
    };
    const files = { [`etc/${name}`]: name };
    return testImage(this.dir, { name: `example.com/${name}`, files, shell, manifest });
  }

  rkt(...words: string[]) {
    return within(rkt(...this.flags, ...words), 120, words.slice(0, 2).join(" "));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

Deno.test("levels of images that share those below them are fetched and run", async () => {
  using place = new Place();
  const files = [place.image("a0", [], true), place.image("b0")];
  const levels = 24;
  for (let i = 1; i < levels; i++) {
    for (const side of ["a", "b"]) {
      files.push(place.image(`${side}${i}`, [`a${i - 1}`, `b${i - 1}`]));
    }
  }
  // The uppermost first: what they depend on is there when all that was named is.
  const fetched = await place.rkt("fetch", ...files.toReversed());
  assert.equal(fetched.code, 0, fetched.stderr);
  assert.equal(fetched.stdout.split("\n").length, files.length + 1);
  const ran = await place.rkt("run", "--net=none", `example.com/a${levels - 1}`);
  assert.deepEqual([ran.code, ran.stdout], [0, "it runs\n"], ran.stderr);
});

Deno.test("a chain of 50 images is fetched, rendered and run", async () => {
  using place = new Place();
  const files = Array.from({ length: 50 }, (_, i) => {
    return place.image(`c${i}`, i === 0 ? [] : [`c${i - 1}`], i === 0);
  });
  for (const words of [["fetch", ...files], ["fetch", "--pull-policy=new", ...files.slice(-1)]]) {
    const { code, stderr } = await place.rkt(...words);
    assert.equal(code, 0, stderr);
  }
  const ran = await place.rkt("run", "--net=none", "example.com/c49");
  assert.deepEqual([ran.code, ran.stdout], [0, "it runs\n"], ran.stderr);
});

Deno.test("rkt run takes files of which one needs another, in any order", async () => {
  for (const turn of [(files: string[]) => files, (files: string[]) => files.toReversed()]) {
    using place = new Place();
    const files = turn([place.image("base", [], true), place.image("needs", ["base"])]);
    const { code, stdout, stderr } = await place.rkt(
      ...["run", "--net=none", ...files.flatMap((file, i) => i === 0 ? [file] : ["---", file])],
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /it runs.*it runs/s);
  }
});

Deno.test("rkt fetch of many files needs few descriptors, and one that is bad leaves the others", async () => {
  using place = new Place();
  const names = Array.from({ length: 150 }, (_, i) => `m${i}`);
  const files = names.map((name) => place.image(name));
  const bad = `${place.dir}/bad.aci`;
  Deno.writeTextFileSync(bad, "no image");
  const words = ["fetch", ...files.slice(0, 70), bad, `${place.dir}/none.aci`, ...files.slice(70)];
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 128; exec "$0" "$@"', RKT, ...place.flags, ...words],
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 254, err);
  assert.match(err ?? "", /^fetch: \S+\/bad\.aci: .*$/m);
  assert.match(err ?? "", /^fetch: \S+\/none\.aci: .*$/m);
  assert.match(err ?? "", /2 of 152 images could not be fetched\n$/);
  assert.equal(err?.trimEnd().split("\n").length, 3, err);
  assert.equal(out?.trimEnd().split("\n").length, 150);
  const listed = await place.rkt("image", "list", "--no-legend", "--fields=name");
  assert.equal(listed.stdout.trimEnd().split("\n").length, 150);
});
