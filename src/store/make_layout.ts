import { exists } from "../linux/exists.ts";

/**
 * The store's directories with their modes, where the system has a group `rkt`: its members may
 * fetch and list images without being root. Trees are root's alone: they hold setuid programs of
 * strangers.
 */
const DIRECTORIES: readonly (readonly [string, number])[] = [
  ["", 0o2750],
  ["locks", 0o2770],
  ["cas", 0o2770],
  ["cas/db", 0o2770],
  ["cas/blob", 0o2770],
  ["cas/imageManifest", 0o2770],
  ["cas/imageInfo", 0o2770],
  ["cas/tree", 0o2700],
  ["cas/treeid", 0o2770],
  ["cas/resolved", 0o2770],
  // The last: if it is there, all are.
  ["cas/tmp", 0o2770],
];

/** Makes the store's directories where they do not exist yet. */
export function makeLayout(dataDir: string): void {
  if (exists(`${dataDir}/cas/tmp`)) return;
  const group = Deno.uid() === 0 ? groupId("rkt") : undefined;
  for (const [name, mode] of DIRECTORIES) {
    const path = `${dataDir}/${name}`;
    if (exists(path)) continue;
    Deno.mkdirSync(path, { recursive: true, mode: mode & 0o750 });
    if (group === undefined) continue;
    Deno.chownSync(path, 0, group);
    Deno.chmodSync(path, mode);
  }
}

/** The number of a group of this system; undefined where there is none of that name. */
function groupId(name: string): number | undefined {
  if (!exists("/etc/group")) return undefined;
  for (const line of Deno.readTextFileSync("/etc/group").split("\n")) {
    const [group, , id] = line.split(":");
    if (group === name && id !== undefined && /^\d+$/.test(id)) return Number(id);
  }
  return undefined;
}
