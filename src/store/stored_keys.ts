import { STORE_KEY_LENGTH, type StoreKey } from "../appc/image_id.ts";
import { exists } from "../linux/exists.ts";
import type { ImageFileKind } from "./layout.ts";

/** The keys of all images of which the store has a file of that kind, sorted. */
export function storedKeys(dataDir: string, kind: ImageFileKind): StoreKey[] {
  const root = `${dataDir}/cas/${kind}/sha512`;
  if (!exists(root)) return [];
  const keys = [];
  for (const shard of Deno.readDirSync(root)) {
    for (const { name } of Deno.readDirSync(`${root}/${shard.name}`)) {
      if (name.length === STORE_KEY_LENGTH) keys.push(name as unknown as StoreKey);
    }
  }
  return keys.sort();
}
