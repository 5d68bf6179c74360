/** What files look like from outside: a line each, with their text. */
import type { Names } from "./names.ts";

/** Texts of a pod that are numbers: PIDs, times. */
const NUMBERS = /(^|\/)(p?pid|[^/]*-(pid|started|created|keeper))$/;

/** Where an overlay works. */
const OVERLAY_WORK = /\/overlay\/[^/]+\/work$/;

/** The most bytes of a file that are shown. */
const MOST = 65_536;

/** All files below a path in the order of their names. */
export function filesBelow(path: string, names: Names): string {
  return lines(path, "", names).join("\n");
}

function lines(path: string, relative: string, names: Names): string[] {
  let found: Deno.FileInfo;
  try {
    found = Deno.lstatSync(path);
  } catch {
    return [];
  }
  const owner = `${names.owner(found.uid ?? 0)}:${names.owner(found.gid ?? 0)}`;
  const head = `${relative} ${(found.mode ?? 0).toString(8)} ${owner}`;
  if (found.isSymlink) return [`${head} -> ${Deno.readLinkSync(path)}`];
  if (found.isDirectory) {
    // The kernel's own: a start that fails after init was made ends before or after the overlay has its files there.
    if (OVERLAY_WORK.test(relative)) return [head];
    const inside = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
    return [
      head,
      ...inside.flatMap((name) => lines(`${path}/${name}`, `${relative}/${name}`, names)),
    ];
  }
  if (!found.isFile) return [`${head} special`];
  if (found.size > MOST) return [`${head} ${found.size} bytes`];
  if (relative.includes("/logs/")) return [`${head} ${JSON.stringify(records(path))}`];
  const text = Deno.readTextFileSync(path);
  if (relative.endsWith("/private-users-prepared")) names.learnUsers(text);
  // Of a pod that could not run: the others' were looked up in their networks.
  if (relative.endsWith("/net-info.json")) names.learnAddresses(text);
  return [`${head} ${NUMBERS.test(relative) ? numbered(text, found.size) : JSON.stringify(text)}`];
}

/** A number without its value: in digits, or the four bytes of an app's PID, which is chance where several apps start. */
function numbered(text: string, size: number): string {
  return size === 4 && !/^\d+\s*$/.test(text) ? "N" : text.replace(/ *\d+ */g, "N");
}

/** The records of a log without their times: 16 bytes of time, 4 of length, 4 that say which stream (src/pod/logs). */
function records(path: string): readonly string[] {
  const bytes = Deno.readFileSync(path);
  const view = new DataView(bytes.buffer);
  const found: string[] = [];
  for (let at = 0; at + 24 <= bytes.length;) {
    const size = view.getUint32(at + 16, true);
    const text = new TextDecoder().decode(bytes.subarray(at + 24, at + 24 + size));
    found.push(`${view.getUint32(at + 20, true)} ${text}`);
    at += 24 + size;
  }
  // How much is read at a time is chance.
  return [...Map.groupBy(found, (record) => record[0])].map(([stream, all]) =>
    `${stream}: ${all.map((record) => record.slice(2)).join("")}`
  );
}
