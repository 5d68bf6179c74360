import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { readBlob } from "../oci/image_source.ts";
import { parseReference } from "../oci/reference.ts";
import { cutBody, MockRegistry, openForTest } from "../registry/testing/mock_registry.ts";
import { partialLayers } from "./partial_layers.ts";

const SIZE = 3 << 20;
const LAYER = new Uint8Array(SIZE).map((_, index) => index * 7 + (index >> 8));

/** A registry that knows ranges, and what they were. */
async function withLayer(
  test: (world: {
    registry: MockRegistry;
    data: string;
    ranges: (string | null)[];
    /** Bytes after which the next connections break. */
    cuts: number[];
    pull: () => Promise<Uint8Array>;
  }) => Promise<void>,
): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "rkt-partial-" });
  try {
    await using registry = new MockRegistry();
    registry.tags.set("1", registry.fixture.image([LAYER]));
    const ranges: (string | null)[] = [];
    const cuts: number[] = [];
    registry.fault = ({ path, headers }) => {
      const bytes = registry.fixture.blobs.get(path.split("/").at(-1) ?? "");
      if (bytes === undefined || bytes.length !== SIZE) return undefined;
      const range = headers.get("range");
      ranges.push(range);
      const from = Number(/\d+/.exec(range ?? "0")?.[0]);
      const rest = bytes.slice(from);
      const cut = cuts.shift();
      const body = cut === undefined ? rest : cutBody(rest, cut);
      const partial = { "content-range": `bytes ${from}-${SIZE - 1}/${SIZE}` };
      return new Response(body, {
        status: range === null ? 200 : 206,
        headers: { "content-length": `${rest.length}`, ...range !== null && partial },
      });
    };
    const pull = async () => {
      const retry = { attempts: 1, wait: () => Promise.resolve() };
      using registries = await openForTest({ partials: partialLayers(data), retry });
      const source = registries.source(parseReference(`${registry.host}/app:1`));
      const [layer] = (await source.manifest()).manifest.layers;
      if (layer === undefined) throw new Error("no layer");
      return await readBlob(source, layer);
    };
    await test({ registry, data, ranges, cuts, pull });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

const left = (data: string) => [...Deno.readDirSync(`${data}/cas/partial`)].map(({ name }) => name);

Deno.test("a layer that broke off is gone on with by the next pull", async () => {
  await withLayer(async ({ data, ranges, cuts, pull }) => {
    cuts.push(2 << 20);
    await rejects(pull(), /connection lost/);
    strictEqual(left(data).length, 3);
    deepStrictEqual(await pull(), LAYER);
    deepStrictEqual(ranges, [null, `bytes=${2 << 20}-`]);
    deepStrictEqual(left(data), []);
  });
});

Deno.test("a layer whose beginning was damaged meanwhile is refused once, and then fetched anew", async () => {
  await withLayer(async ({ data, ranges, cuts, pull }) => {
    cuts.push(2 << 20);
    await rejects(pull(), /connection lost/);
    const file = left(data).find((name) => !name.includes(".")) ?? "";
    await Deno.writeFile(`${data}/cas/partial/${file}`, new Uint8Array(2 << 20));
    await rejects(pull(), /its bytes have the digest/);
    deepStrictEqual(left(data), []);
    deepStrictEqual(await pull(), LAYER);
    strictEqual(ranges.at(-1), null);
  });
});

Deno.test("two pulls of a layer at once don't mix their bytes", async () => {
  await withLayer(async ({ data, pull }) => {
    const both = await Promise.all([pull(), pull()]);
    for (const each of both) deepStrictEqual(each, LAYER);
    deepStrictEqual(left(data), []);
  });
});
