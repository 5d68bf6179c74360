/** The store under many processes at once. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { RKT, rkt } from "../world/rkt.ts";

async function inTemp(test: (dir: string, data: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-store-" });
  try {
    await test(dir, `--dir=${dir}/data`);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const UNSIGNED = "--insecure-options=image";

Deno.test("rkt image shows, checks, exports and removes what was fetched", () =>
  inTemp(async (dir, data) => {
    const file = testImage(dir, { name: "example.com/app", files: { "bin/app": "#!" } });
    const refused = await rkt(data, "fetch", file);
    assert.equal(refused.code, 254);
    assert.match(refused.stderr, /^fetch: .*app-1\.0\.aci.*\n$/);
    const fetched = await rkt(data, UNSIGNED, "fetch", "--full", file);
    assert.match(fetched.stdout, /^sha512-[0-9a-f]{64}\n$/);
    const id = fetched.stdout.trim();
    const short = await rkt(data, UNSIGNED, "fetch", file);
    assert.equal(short.stdout, id.slice(0, 39) + "\n");

    const list = await rkt(data, "image", "list");
    assert.match(
      list.stdout,
      /^ID\t\t\tNAME\t\t\tSIZE\tIMPORT TIME\tLAST USED\nsha512-[0-9a-f]{12}\texample.com\/app:1.0\t/,
    );
    const fields = ["--no-legend", "--fields=id,name", "--full"];
    const bare = await rkt(data, "image", "list", ...fields);
    assert.equal(bare.stdout, `${id}\texample.com/app:1.0\n`);
    const json = await rkt(data, "image", "list", "--format=json");
    assert.match(
      json.stdout,
      /^\[\{"id":"sha512-\w{64}","name":"example.com\/app:1.0","import_time":\d{19},"last_used_time":\d{19},"size":\d+\}\]\n$/,
    );

    const verified = await rkt(data, "image", "verify", "example.com/app");
    assert.equal(
      verified.stdout,
      `successfully verified checksum for image: "example.com/app" ("${id}")\n`,
    );
    assert.equal((await rkt(data, "image", "export", id, `${dir}/x.aci`)).code, 0);
    const again = await rkt(data, "image", "export", id, `${dir}/x.aci`);
    assert.equal(again.stderr, `export: "${dir}/x.aci" exists already; --overwrite replaces it\n`);
    const plain = new Deno.Command("gzip", { args: ["-dc", file] }).outputSync().stdout;
    assert.deepEqual(Deno.readFileSync(`${dir}/x.aci`), plain);
    assert.equal((await rkt(data, "image", "extract", id, `${dir}/x`)).code, 0);
    assert.deepEqual([...Deno.readDirSync(`${dir}/x`)].map((e) => e.name).sort(), [
      ...["manifest", "rootfs"],
    ]);
    assert.equal((await rkt(data, "image", "render", "--rootfs-only", id, `${dir}/y`)).code, 0);
    assert.equal(Deno.readTextFileSync(`${dir}/y/bin/app`), "#!");

    const removed = await rkt(data, "image", "rm", "example.com/app", "example.com/none");
    assert.equal(removed.stdout, `successfully removed aci for image: "${id}"\n`);
    assert.match(removed.stderr, /"example.com\/none" is not in the store/);
    assert.equal(
      (await rkt(data, "image", "list")).stdout,
      "ID\tNAME\tSIZE\tIMPORT TIME\tLAST USED\n",
    );
  }));

Deno.test("rkt image list finds everything again after its index was lost", () =>
  inTemp(async (dir, data) => {
    for (const version of ["1", "2"]) {
      await rkt(data, UNSIGNED, "fetch", testImage(dir, { name: "example.com/a", version }));
    }
    const before = await rkt(data, "image", "list", "--format=json");
    for (const { name } of Deno.readDirSync(`${dir}/data/cas/db`)) {
      Deno.removeSync(`${dir}/data/cas/db/${name}`);
    }
    assert.deepEqual(await rkt(data, "image", "list", "--format=json"), before);
    const rebuilt = await rkt(data, "image", "gc", "--rebuild-index");
    assert.match(rebuilt.stderr, /^gc: rebuilt the index: 2 image\(s\)\n/);
  }));

/** Fetches again and again; the first process is killed at moments that the others don't choose. */
async function fetcher(
  data: string,
  files: readonly string[],
  kill: boolean,
  until: () => boolean,
) {
  for (let round = 0; !until(); round++) {
    const chosen = files.filter((_, i) => (i + round) % 3 !== 0);
    const args = [data, UNSIGNED, "fetch", ...chosen];
    const streams = { stdin: "null", stdout: "null", stderr: "piped" } as const;
    const child = new Deno.Command(RKT, { args, ...streams }).spawn();
    let ended = false;
    const killIt = () => {
      try {
        if (!ended) child.kill("SIGKILL");
      } catch (error) {
        // It has ended, and nobody was told so far.
        if (!(error instanceof TypeError)) throw error;
      }
    };
    const timer = kill ? setTimeout(killIt, 20 + (round * 37) % 300) : 0;
    const output = child.output();
    await child.status.finally(() => ended = true);
    const { success, signal, stderr } = await output;
    clearTimeout(timer);
    if (signal !== "SIGKILL") assert.ok(success, new TextDecoder().decode(stderr));
  }
}

Deno.test("fetch, image gc, image list and KILL beside each other leave a whole store", () =>
  inTemp(async (dir, data) => {
    const files = Array.from({ length: 6 }, (_, i) => {
      const contents = { [`f${i}`]: String(i).repeat(300_000), shared: "x".repeat(1000) };
      return testImage(dir, { name: `example.com/image${i}`, files: contents });
    });
    let rounds = 0;
    const done = () => rounds >= 12;
    const collector = async () => {
      for (; !done(); rounds++) {
        const gc = await rkt(
          data,
          "image",
          "gc",
          rounds % 2 === 0 ? "--grace-period=0s" : "--grace-period=1h",
        );
        assert.equal(gc.code, 0, gc.stderr);
        const list = await rkt(data, "image", "list");
        assert.equal(list.code, 0, list.stderr);
      }
    };
    await Promise.all([
      collector(),
      fetcher(data, files, true, done),
      fetcher(data, files.toReversed(), false, done),
      fetcher(data, files.slice(2), false, done),
    ]);
    assert.equal((await rkt(data, UNSIGNED, "fetch", ...files)).code, 0);
    const names = files.map((_, i) => `example.com/image${i}`);
    const verified = await rkt(data, "image", "verify", ...names);
    assert.equal(verified.code, 0, verified.stderr);
    assert.equal(verified.stderr, "");
    assert.equal((await rkt(data, "gc")).code, 0);
    assert.deepEqual([...Deno.readDirSync(`${dir}/data/cas/tmp`)], []);
    const blobs = new Deno.Command("find", { args: [`${dir}/data/cas/blob`, "-type", "f"] });
    const count = new TextDecoder().decode(blobs.outputSync().stdout).trim().split("\n").length;
    assert.equal(count, files.length);
  }));
