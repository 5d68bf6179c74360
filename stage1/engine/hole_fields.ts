/** Bytes with a hole in them, as the fields of a structure. */
import { bytesHole, type Hole, textHole } from "./hole.ts";

/** What stands for a UUID in bytes. */
const UUID_BYTES = new TextEncoder().encode(textHole("uuid", 36));

/** Bytes as the fields of a structure: what stands for a UUID in them is a hole. */
export function fieldsWithHoles(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): readonly (readonly [name: string, size: number, value: Hole | Uint8Array<ArrayBuffer>])[] {
  const found: (readonly [string, number, Hole | Uint8Array<ArrayBuffer>])[] = [];
  let from = 0;
  const constant = (to: number) => {
    if (to > from) found.push([name, to - from, bytes.slice(from, to)]);
  };
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) {
    if (!UUID_BYTES.every((byte, i) => bytes[at + i] === byte)) continue;
    constant(at);
    found.push([name, UUID_BYTES.length, bytesHole("uuid")]);
    at += UUID_BYTES.length - 1;
    from = at + 1;
  }
  constant(bytes.length);
  return found;
}
