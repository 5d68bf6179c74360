import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import {
  type ByteSource,
  bytesSource,
  fileSource,
  prependedSource,
  streamSource,
} from "./source.ts";

async function read(source: ByteSource): Promise<string[]> {
  const chunks: string[] = [];
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return chunks;
    chunks.push(new TextDecoder().decode(chunk));
  }
}

const bytes = new TextEncoder().encode("hello");

Deno.test("fileSource() reads a file, and may be disposed twice", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    using source = fileSource(path);
    assert.deepEqual(await read(source), ["hello"]);
    source[Symbol.dispose]();
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("fileSource() says what is wrong with a path", () => {
  assert.throws(() => fileSource("/none/x.aci"), new Failure("/none/x.aci: no such file"));
  assert.throws(() => fileSource("/usr"), new Failure("/usr: is a directory, not an image file"));
});

Deno.test("streamSource() leaves out empty chunks and passes errors on", async () => {
  const good = ReadableStream.from([bytes, new Uint8Array(0), bytes]);
  assert.deepEqual(await read(streamSource("s", good)), ["hello", "hello"]);
  const bad = new ReadableStream({ start: (controller) => controller.error(new Failure("cut")) });
  await assert.rejects(read(streamSource("s", bad)), new Failure("cut"));
});

Deno.test("prependedSource() gives the head, then the rest", async () => {
  const source = prependedSource(bytes, bytesSource("b", bytes, 3));
  assert.deepEqual(await read(source), ["hello", "hel", "lo"]);
});
