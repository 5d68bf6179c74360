import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import type { Metalink } from "./metalink.ts";
import { MirrorSource } from "./mirror_source.ts";
import type { GetRange } from "./ranges.ts";

const LENGTH = 1000;
const content = Uint8Array.from({ length: 25_500 }, (_, i) => (i * 7 + (i >> 8)) % 256);

async function metalink(...urls: string[]): Promise<Metalink> {
  const digests = [];
  for (let at = 0; at < content.length; at += LENGTH) {
    const piece = content.slice(at, at + LENGTH);
    digests.push(new Uint8Array(await crypto.subtle.digest("SHA-256", piece)).toHex());
  }
  return { urls, size: content.length, pieces: { length: LENGTH, algorithm: "SHA-256", digests } };
}

type Manner = (first: number, bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/** Mirrors that are asked, each with its manner. */
class Mirrors {
  readonly asked = new Map<string, number[]>();
  readonly dropped: string[] = [];

  constructor(readonly manners: Readonly<Record<string, Manner>>) {}

  readonly getRange: GetRange = async (url, first, last) => {
    this.asked.set(url, [...this.asked.get(url) ?? [], first / LENGTH]);
    await Promise.resolve();
    let rest: Uint8Array | undefined = content.slice(first, last + 1);
    let cancel: (error: Error) => void = () => {};
    const cancelled = new Promise<never>((_, reject) => cancel = reject);
    cancelled.catch(() => {});
    return {
      read: async () => {
        const bytes = rest;
        rest = undefined;
        if (bytes === undefined) return undefined;
        const said = this.manners[url]?.(first, bytes) ?? bytes;
        return await Promise.race([said, cancelled]);
      },
      cancel: () => cancel(new Error("cancelled")),
    };
  };

  source(file: Metalink): MirrorSource {
    return new MirrorSource(file, {
      name: "it",
      getRange: this.getRange,
      progress: () => {},
      dropped: (_, why) => this.dropped.push(why),
    });
  }
}

async function all(source: MirrorSource): Promise<Uint8Array> {
  const chunks: number[] = [];
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    chunks.push(...chunk);
  }
  return Uint8Array.from(chunks);
}

const honest: Manner = (_, bytes) => bytes;
const never = new Promise<never>(() => {});

Deno.test("mirrors share the pieces, which come in their order", async () => {
  const mirrors = new Mirrors({ a: honest, b: honest, c: honest });
  using source = mirrors.source(await metalink("a", "b", "c"));
  assert.deepEqual(await all(source), content);
  assert.deepEqual(mirrors.dropped, []);
  for (const name of ["a", "b", "c"]) assert.ok((mirrors.asked.get(name)?.length ?? 0) > 0, name);
});

Deno.test("a mirror that hangs holds nobody up: others get what it has begun", async () => {
  const mirrors = new Mirrors({ slow: () => never, b: honest });
  using source = mirrors.source(await metalink("slow", "b"));
  assert.deepEqual(await all(source), content);
  assert.deepEqual(mirrors.dropped, []);
});

Deno.test("a mirror that lies is found at its piece, named, and asked no more", async () => {
  const lie: Manner = (first, bytes) =>
    first === 3000 || first === 4000 ? bytes.map((b) => b ^ 1) : bytes;
  for (const others of [["b"], ["b", "c"]]) {
    const mirrors = new Mirrors({ liar: lie, b: honest, c: honest });
    using source = mirrors.source(await metalink("liar", ...others));
    assert.deepEqual(await all(source), content);
    if (mirrors.dropped.length === 0) continue; // it was never asked for these
    assert.match(mirrors.dropped.join(), /^liar: piece [34] is not what the Metalink says$/);
    const asked = mirrors.asked.get("liar") ?? [];
    assert.ok([3, 4].includes(asked.at(-1) ?? -1), "it is asked no more");
  }
});

for (
  const [what, manner, why] of [
    [
      "sends too little",
      (_: number, bytes: Uint8Array) => bytes.slice(1),
      /sent 999 bytes of the 1000/,
    ],
    [
      "sends too much",
      (_: number, bytes: Uint8Array) => Uint8Array.of(...bytes, 0),
      /sent 1001 bytes/,
    ],
    ["breaks", () => Promise.reject(new Failure("bad: reset")), /bad: reset/],
  ] as const
) {
  Deno.test(`a mirror that ${what} is left for another one; alone it is the end`, async () => {
    const mirrors = new Mirrors({ bad: manner, b: honest });
    using source = mirrors.source(await metalink("bad", "b"));
    assert.deepEqual(await all(source), content);
    assert.match(mirrors.dropped.join(), why);
    const alone = new Mirrors({ bad: manner });
    using ended = alone.source(await metalink("bad"));
    await assert.rejects(all(ended), { message: why });
  });
}

Deno.test("without digests of pieces the bytes come all the same, for the signature to judge", async () => {
  const mirrors = new Mirrors({ a: honest, b: honest });
  const { pieces: _, ...file } = await metalink("a", "b");
  using source = mirrors.source(file);
  assert.deepEqual(await all(source), content);
});

Deno.test("who reads slowly does not fill the memory", async () => {
  const mirrors = new Mirrors({ a: honest, b: honest });
  using source = mirrors.source(await metalink("a", "b"));
  await source.read();
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  const most = Math.max(...[...mirrors.asked.values()].flat());
  assert.ok(most <= 7, `piece ${most} is asked for when piece 1 is next`);
});
