/** `USER` of an image's configuration, resolved in the image's own passwd and group as docker does. */
import type { OciProcess } from "./image_config.ts";

/** Who an app runs as, in App Container's words: names or numbers. */
export interface ImageUser {
  readonly user: string;
  readonly group: string;
  readonly supplementaryGIDs: readonly number[];
}

/** Reads a small text file of the image, links followed; undefined where there is none. */
export type ReadText = (path: string) => string | undefined;

/** 2^32-1 means "unchanged" to the kernel. */
const LARGEST_ID = 0xffff_fffe;

/**
 * Resolves `USER[:GROUP]`. Without a group it is the user's own, with all groups that have the user as a member; of a
 * number without a name it is 0.
 */
export function imageUser({ user: text }: Pick<OciProcess, "user">, read: ReadText): ImageUser {
  const [user = "", group = ""] = text.split(":", 2);
  const asked = user === "" ? "0" : user;
  const entry = lines(read, "etc/passwd").find(([name, , id]) => name === asked || id === asked);
  // A name: so the app also gets the home directory that passwd gives it.
  const name = entry?.[0] ?? "";
  const named = name !== "" && asked !== "0" ? name : asked;
  if (group !== "") return { user: named, group, supplementaryGIDs: [] };
  const own = number(entry?.[3]) ?? 0;
  const others = lines(read, "etc/group")
    .filter(([, , , members = ""]) => name !== "" && members.split(",").includes(name))
    .flatMap(([, , id]) => number(id) ?? []);
  // The user's own among them: a setgid program must not take that from it (CVE-2022-36109).
  const all = own === 0 ? others : [own, ...others];
  return { user: named, group: String(own), supplementaryGIDs: [...new Set(all)] };
}

function number(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  return Number(text) <= LARGEST_ID ? Number(text) : undefined;
}

/** The lines of a passwd or group file, split at colons. */
function lines(read: ReadText, path: string): readonly string[][] {
  return (read(path) ?? "").split("\n").map((line) => line.split(":"))
    .filter((fields) => fields.length > 2);
}
