/** How far the layers of an image are that come. */
import type { ByteSource } from "../../aci/bytes/source.ts";

/** Told how far a layer is. */
export interface LayerProgress {
  update(received: number, total: number): void;
  end(): void;
}

/** A source whose bytes are reported. */
export function counted(
  source: ByteSource,
  total: number,
  progress: LayerProgress | undefined,
): ByteSource {
  let received = 0;
  return {
    name: source.name,
    async read() {
      const chunk = await source.read();
      received += chunk?.length ?? 0;
      if (chunk !== undefined) progress?.update(received, total);
      return chunk;
    },
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}
