/** Writes what the names of registries stand for. */
import { replaceFile } from "../../linux/atomic_file.ts";
import { referencesPath, type StoredReference } from "./references.ts";

/**
 * Writes all names. The caller holds the lock of the index (`changeIndex`), so that nobody remembers what they stood for.
 */
export function writeReferences(
  dataDir: string,
  references: Readonly<Record<string, StoredReference>>,
): void {
  const directory = `${dataDir}/cas/db`;
  replaceFile(referencesPath(dataDir), `${JSON.stringify(references)}\n`, { directory });
}
