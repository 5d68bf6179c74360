/** Packets of OpenPGP as they come (RFC 9580 §4.2), in memory that does not grow with them. */
import { ArchiveError } from "../aci/bytes/archive_error.ts";

/** Where bytes come from; undefined at the end. A chunk is valid until the next one. */
export interface Pull {
  read(): Promise<Uint8Array | undefined>;
}

/** Bytes that are asked for by their number. */
class ByteQueue {
  #chunk: Uint8Array = new Uint8Array();

  constructor(readonly source: Pull) {}

  /** At least one byte, and at most so many; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const next = await this.source.read();
      if (next === undefined) return undefined;
      this.#chunk = next;
    }
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** So many bytes, or fewer at the end; a copy. */
  async exactly(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    let got = 0;
    while (got < count) {
      const part = await this.some(count - got);
      if (part === undefined) break;
      bytes.set(part, got);
      got += part.length;
    }
    return bytes.subarray(0, got);
  }
}

/** The least bytes of a first part (RFC 9580 §4.2.1.4). */
const LEAST_PART = 512;

/** A packet: its body is read to its end before the next one. */
export interface Packet extends Pull {
  readonly tag: number;
}

/** Reads packets one after the other. */
export class PacketReader {
  readonly #bytes: ByteQueue;

  /** @param name of what is read, for messages */
  constructor(source: Pull, readonly name: string) {
    this.#bytes = new ByteQueue(source);
  }

  /** The next packet; undefined at the end. */
  async next(): Promise<Packet | undefined> {
    const [first] = await this.#bytes.exactly(1);
    if (first === undefined) return undefined;
    if ((first & 0x80) === 0) throw this.#wrong("what should be a packet is none");
    return (first & 0x40) !== 0
      ? this.#newFormat(first & 0x3f)
      : this.#oldFormat((first >> 2) & 0xf, first & 3);
  }

  async #newFormat(tag: number): Promise<Packet> {
    let { size, more } = await this.#length();
    if (more && size < LEAST_PART) throw this.#wrong("its first part is too small");
    return {
      tag,
      read: async () => {
        while (size === 0) {
          if (!more) return undefined;
          ({ size, more } = await this.#length());
        }
        const part = await this.#part(size);
        size -= part.length;
        return part;
      },
    };
  }

  async #oldFormat(tag: number, type: number): Promise<Packet> {
    if (type === 3) return { tag, read: () => this.#bytes.some(1 << 16) }; // up to the end
    let size = numberOf(await this.#whole(1 << type));
    return {
      tag,
      read: async () => {
        if (size === 0) return undefined;
        const part = await this.#part(size);
        size -= part.length;
        return part;
      },
    };
  }

  async #length(): Promise<{ size: number; more: boolean }> {
    const [first = 0] = await this.#whole(1);
    if (first < 192) return { size: first, more: false };
    if (first < 224) {
      const [second = 0] = await this.#whole(1);
      return { size: ((first - 192) << 8) + second + 192, more: false };
    }
    if (first === 255) return { size: numberOf(await this.#whole(4)), more: false };
    return { size: 2 ** (first & 0x1f), more: true };
  }

  async #part(most: number): Promise<Uint8Array> {
    const part = await this.#bytes.some(most);
    if (part === undefined) throw this.#wrong("it ends too early");
    return part;
  }

  async #whole(count: number): Promise<Uint8Array> {
    const bytes = await this.#bytes.exactly(count);
    if (bytes.length < count) throw this.#wrong("it ends too early");
    return bytes;
  }

  #wrong(why: string): ArchiveError {
    return new ArchiveError(`${this.name}: is no sound OpenPGP message: ${why}`);
  }
}

const numberOf = (bytes: Uint8Array): number =>
  bytes.reduce((number, byte) => number * 256 + byte, 0);

/** All bytes of a small packet. */
export async function wholeBody(packet: Packet, most: number): Promise<Uint8Array | undefined> {
  const parts: number[] = [];
  for (let part = await packet.read(); part !== undefined; part = await packet.read()) {
    if (parts.length + part.length > most) return undefined;
    parts.push(...part);
  }
  return Uint8Array.from(parts);
}

/** A packet with its length in front, as it is when it is written at once. */
export function packetBytes(tag: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(6 + body.length);
  bytes.set([0xc0 | tag, 255]);
  new DataView(bytes.buffer).setUint32(2, body.length);
  bytes.set(body, 6);
  return bytes;
}

/** Two to this power are the bytes of a part that is written. */
const PART_POWER = 16;

/** Writes the body of a packet whose length is not known before, in parts. */
export class PartialBody {
  readonly #part = new Uint8Array(2 ** PART_POWER);
  #fill = 0;

  constructor(readonly tag: number, readonly write: (bytes: Uint8Array) => void) {
    write(Uint8Array.of(0xc0 | tag));
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      // A part that is full is written when more comes: the last one has its length in front.
      if (this.#fill === this.#part.length) {
        this.write(Uint8Array.of(0xe0 | PART_POWER));
        this.write(this.#part);
        this.#fill = 0;
      }
      const taken = bytes.subarray(at, at + this.#part.length - this.#fill);
      this.#part.set(taken, this.#fill);
      this.#fill += taken.length;
      at += taken.length;
    }
  }

  end(): void {
    const length = new Uint8Array(5);
    length[0] = 255;
    new DataView(length.buffer).setUint32(1, this.#fill);
    this.write(length);
    this.write(this.#part.subarray(0, this.#fill));
    this.#fill = 0;
  }
}
