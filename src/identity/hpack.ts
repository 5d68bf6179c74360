/** HPACK (RFC 7541): headers of HTTP/2, decoded as anybody may write them, and encoded in the plainest way. */

/** A header that can't be decoded: the connection can't go on (RFC 9113, 4.3). */
export class HpackError extends Error {}

/** Name and value. */
export type Header = readonly [name: string, value: string];

/** Appendix A: names and values, from number 1 on. */
const STATIC: readonly Header[] = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`.split("\n").map((line): Header => {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
});

/**
 * Appendix B: the bytes by the lengths of their codes, which are canonical: codes of a length follow each other in the order
 * of the bytes, and the first of the next length follows the last of this one.
 */
// deno-fmt-ignore
const CODES: Readonly<Record<number, readonly number[]>> = {
  5: [48, 49, 50, 97, 99, 101, 105, 111, 115, 116],
  6: [32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117],
  7: [58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118,
    119, 120, 121, 122],
  8: [38, 42, 44, 59, 88, 90],
  10: [33, 34, 40, 41, 63],
  11: [39, 43, 124],
  12: [35, 62],
  13: [0, 36, 64, 91, 93, 126],
  14: [94, 125],
  15: [60, 96, 123],
  19: [92, 195, 208],
  20: [128, 130, 131, 162, 184, 194, 224, 226],
  21: [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230],
  22: [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198,
    228, 232, 233],
  23: [1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183,
    188, 191, 197, 231, 239],
  24: [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237],
  25: [199, 207, 234, 235],
  26: [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255],
  27: [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254],
  28: [2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249],
  30: [10, 13, 22],
};

/** The bytes by their codes, behind a one that keeps the leading zeros. */
const BY_CODE: ReadonlyMap<number, number> = byCode();

function byCode(): ReadonlyMap<number, number> {
  const codes = new Map<number, number>();
  let code = 0;
  let before = 5;
  for (const [length, bytes] of Object.entries(CODES)) {
    code *= 2 ** (Number(length) - before);
    before = Number(length);
    for (const byte of bytes) codes.set(2 ** before + code++, byte);
  }
  return codes;
}

/** Decodes a text (5.2, Appendix B). */
function unpacked(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  let code = 1;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + (byte >> bit & 1);
      const found = BY_CODE.get(code);
      if (found !== undefined) {
        out.push(found);
        code = 1;
      } else if (code >= 2 ** 31) throw new HpackError("a code that stands for no byte");
    }
  }
  // What is left over is less than a byte, and of ones alone.
  if (code >= 2 ** 8 || (code & (code + 1)) !== 0) throw new HpackError("padding of another kind");
  return Uint8Array.from(out);
}

/** What an entry of the table takes beside its texts (4.1). */
const ENTRY = 32;
/** The size of the dynamic table (RFC 9113, SETTINGS_HEADER_TABLE_SIZE): we never announce another one. */
const TABLE = 4096;

/** Decodes the headers of one connection. */
export class HpackDecoder {
  /** The newest one first. */
  #dynamic: Header[] = [];
  #most = TABLE;

  /** @throws {HpackError} */
  decode(block: Uint8Array): readonly Header[] {
    const headers: Header[] = [];
    const reader = new Reader(block);
    while (!reader.done) {
      const first = reader.peek();
      if ((first & 0x80) !== 0) headers.push(this.#entry(reader.number(7)));
      else if ((first & 0xe0) === 0x20) this.#resize(reader.number(5), headers.length);
      else {
        const isKept = (first & 0x40) !== 0;
        const index = reader.number(isKept ? 6 : 4);
        const name = index === 0 ? reader.text() : this.#entry(index)[0];
        const header: Header = [name, reader.text()];
        headers.push(header);
        if (isKept) this.#keep(header);
      }
    }
    return headers;
  }

  #entry(index: number): Header {
    const entry = STATIC[index - 1] ?? this.#dynamic[index - 1 - STATIC.length];
    if (entry === undefined) throw new HpackError(`there is no header number ${index}`);
    return entry;
  }

  #resize(size: number, headers: number): void {
    if (size > TABLE || headers > 0) throw new HpackError("the table can't have that size");
    this.#most = size;
    this.#evict();
  }

  #keep(header: Header): void {
    this.#dynamic.unshift(header);
    this.#evict();
  }

  #evict(): void {
    let size = 0;
    const end = this.#dynamic.findIndex(([name, value]) =>
      (size += name.length + value.length + ENTRY) > this.#most
    );
    if (end >= 0) this.#dynamic = this.#dynamic.slice(0, end);
  }
}

/** Texts of headers are bytes (RFC 9110, 5.5): each becomes one character. */
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

class Reader {
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  peek(): number {
    return this.bytes[this.#at] ?? 0;
  }

  #byte(): number {
    if (this.done) throw new HpackError("the block ends too early");
    return this.bytes[this.#at++] ?? 0;
  }

  /** A number with a prefix of some bits (5.1). */
  number(bits: number): number {
    const full = 2 ** bits - 1;
    let value = this.#byte() & full;
    if (value < full) return value;
    for (let scale = 1; scale <= 2 ** 21; scale *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new HpackError("a number is too large");
  }

  text(): string {
    const isPacked = (this.peek() & 0x80) !== 0;
    const length = this.number(7);
    const bytes = this.bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new HpackError("the block ends too early");
    this.#at += length;
    return text(isPacked ? unpacked(bytes) : bytes);
  }
}

/** Encodes headers: each by its own name and value, and nothing to be kept. */
export function encodeHeaders(headers: readonly Header[]): Uint8Array {
  const out: number[] = [];
  for (const header of headers) {
    out.push(0);
    for (const each of header) {
      const bytes = new TextEncoder().encode(each);
      out.push(...encodedNumber(bytes.length, 7), ...bytes);
    }
  }
  return Uint8Array.from(out);
}

function encodedNumber(value: number, bits: number): number[] {
  const full = 2 ** bits - 1;
  if (value < full) return [value];
  const out = [full];
  let rest = value - full;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  return [...out, rest];
}
