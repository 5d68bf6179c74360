import type { ByteSource } from "./source.ts";

/** A source that knows how many bytes have been read of it. */
export function countedSource(source: ByteSource): { source: ByteSource; size(): number } {
  let size = 0;
  return {
    size: () => size,
    source: {
      name: source.name,
      async read() {
        const chunk = await source.read();
        size += chunk?.length ?? 0;
        return chunk;
      },
      [Symbol.dispose]: () => source[Symbol.dispose](),
    },
  };
}
