import { STORE_KEY_LENGTH, type StoreKey } from "../appc/image_id.ts";
import { exists } from "../linux/exists.ts";
import type { ImageFileKind } from "./layout.ts";

/** The keys of all images of which the store has a file of that kind (of layers their diff IDs), sorted. */
export function storedKeys(dataDir: string, kind: ImageFileKind): StoreKey[] {
  const keys = [];
  for (const algorithm of ["sha256", "sha512"]) {
    const root = `${dataDir}/cas/${kind}/${algorithm}`;
    if (!exists(root)) continue;
    for (const shard of Deno.readDirSync(root)) {
      for (const { name } of Deno.readDirSync(`${root}/${shard.name}`)) {
        if (name.length === STORE_KEY_LENGTH) keys.push(name as unknown as StoreKey);
      }
    }
  }
  return keys.sort();
}
