import type { RenderedTree, Store, StoredImage } from "./store.ts";

/** See {@linkcode Store.tree}. */
export function renderTree(_store: Store, _image: StoredImage): Promise<RenderedTree> {
  throw new Error("not yet");
}
