/** Fields of tar headers: POSIX.1-2017 pax "ustar Interchange Format"; GNU tar's `tar.h` for base 256. */
import { byteAt } from "../../linux/bytes.ts";
import { type ByteString } from "../../linux/byte_string.ts";

/** Headers and data come in blocks of 512 bytes. */
export const BLOCK_SIZE = 512;

/** Where fields stand in a header block: [offset, length]. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeflag: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
  // star (Schilling): a shorter prefix, and "tar\0" at the end
  starPrefix: [345, 131],
  starMagic: [508, 4],
  // old GNU sparse headers
  sparseMap: [386, 4 * 24],
  sparseExtended: [482, 1],
  sparseRealSize: [483, 12],
} as const satisfies Record<string, readonly [number, number]>;

/** A field's place: offset in the block, length. */
export type Field = readonly [number, number];

/** The text of a field, up to its first NUL. */
export function fieldText(block: Uint8Array, start: number, field: Field): ByteString {
  const from = start + field[0];
  const limit = from + field[1];
  let to = from;
  while (to < limit && block[to] !== 0) to++;
  return String.fromCharCode.apply(null, block.subarray(from, to) as unknown as number[]);
}

/**
 * A number: octal digits between optional blanks and NULs, or base 256 when the first bit is set.
 *
 * @returns undefined when it is neither, or not a safe integer
 */
export function fieldNumber(block: Uint8Array, start: number, field: Field): number | undefined {
  const from = start + field[0];
  const end = from + field[1];
  if (byteAt(block, from) & 0x80) return base256(block, from, end);
  let i = from;
  while (i < end && block[i] === 0x20) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = byteAt(block, i) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (block[i] !== 0x20 && block[i] !== 0) return undefined;
  return value;
}

// The first byte is 0x80 or 0xff; the rest is a two's complement number, most significant byte first.
function base256(block: Uint8Array, from: number, end: number): number | undefined {
  const first = block[from];
  if (first !== 0x80 && first !== 0xff) return undefined;
  let value = first === 0xff ? -1n : 0n;
  for (let i = from + 1; i < end; i++) value = value * 256n + BigInt(byteAt(block, i));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Whether a block's checksum is right: the sum of its bytes, the checksum's own counted as blanks. */
export function checksumMatches(block: Uint8Array, start: number): boolean {
  const want = fieldNumber(block, start, FIELD.checksum);
  if (want === undefined) return false;
  const [from, length] = FIELD.checksum;
  let sum = 0;
  for (let i = start; i < start + BLOCK_SIZE; i++) sum += byteAt(block, i);
  for (let i = start + from; i < start + from + length; i++) sum += 0x20 - byteAt(block, i);
  if (sum === want) return true;
  // Historic tars summed signed bytes.
  for (let i = start; i < start + BLOCK_SIZE; i++) {
    if (byteAt(block, i) > 127 && (i < start + from || i >= start + from + length)) sum -= 256;
  }
  return sum === want;
}

/** Whether a block is all zeros. */
export function isZeroBlock(block: Uint8Array, start: number, length = BLOCK_SIZE): boolean {
  for (let i = start; i < start + length; i++) if (block[i] !== 0) return false;
  return true;
}

/** Bytes from a size to the next block's start. */
export function padding(size: number): number {
  return (BLOCK_SIZE - size % BLOCK_SIZE) % BLOCK_SIZE;
}

/** What `tar -V` writes: a name for the archive, and no file. */
export const VOLUME_LABEL = "V";

/** A directory, whose data are the names in it (`tar -g`). */
export const DUMP_DIRECTORY = "D";
