/** What is in a message: one file, compressed or not (RFC 9580 §5.6, §5.9). */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { bunzipped } from "../aci/compression/bzip2.ts";
import type { ByteSource } from "../aci/bytes/source.ts";
import { concat } from "../linux/bytes.ts";
import { type Packet, PacketReader, type Pull } from "./packets.ts";

/** The bytes of the one file in a message. */
export async function literalData(plain: Pull, name: string): Promise<Pull> {
  const packets = new PacketReader(plain, name);
  const packet = await packets.next();
  const wrong = (why: string) => new ArchiveError(`${name}: can't be decrypted: ${why}`);
  if (packet === undefined) throw wrong("there is nothing in it");
  const end = async (of: PacketReader) => {
    if (await of.next() !== undefined) throw wrong("there is more than one file in it");
  };
  if (packet.tag === 11) return await literal(packet, wrong, () => end(packets));
  if (packet.tag !== 8) {
    throw wrong(`what is in it is no file (a packet with the tag ${packet.tag})`);
  }
  const inner = new PacketReader(await decompressed(packet, name, wrong), name);
  const file = await inner.next();
  if (file?.tag !== 11) throw wrong("what is compressed in it is no file");
  return await literal(file, wrong, async () => {
    await end(inner);
    await end(packets);
  });
}

/** The data of a literal packet, behind its name and time. */
async function literal(
  packet: Packet,
  wrong: (why: string) => Error,
  end: () => Promise<void>,
): Promise<Pull> {
  let head = new Uint8Array();
  while (head.length < 2 || head.length < 6 + (head[1] ?? 0)) {
    const part = await packet.read();
    if (part === undefined) throw wrong("it ends too early");
    head = concat(head, part);
  }
  return behind(head.subarray(6 + (head[1] ?? 0)), {
    async read() {
      const part = await packet.read();
      if (part === undefined) await end();
      return part;
    },
  });
}

/** What was read too far already, and then the rest. */
function behind(first: Uint8Array, rest: Pull): Pull {
  let head: Uint8Array | undefined = first.length > 0 ? first : undefined;
  return {
    async read() {
      const chunk = head;
      head = undefined;
      return chunk ?? await rest.read();
    },
  };
}

async function decompressed(
  packet: Packet,
  name: string,
  wrong: (why: string) => Error,
): Promise<Pull> {
  const first = await packet.read();
  if (first === undefined) throw wrong("it ends too early");
  const body: ByteSource = {
    name,
    ...behind(first.slice(1), packet),
    [Symbol.dispose]: () => {},
  };
  switch (first[0]) {
    case 0:
      return body;
    case 1:
      return inflated(body, "deflate-raw", wrong);
    case 2:
      return inflated(body, "deflate", wrong);
    case 3:
      return await bunzipped(body);
    default:
      throw wrong(`its compression ${first[0]} is unknown`);
  }
}

function inflated(
  body: Pull,
  format: CompressionFormat,
  wrong: (why: string) => Error,
): Pull {
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const chunk = await body.read();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk.slice());
      } catch (error) {
        controller.error(error);
      }
    },
  }, { highWaterMark: 1 });
  const reader = stream.pipeThrough(new DecompressionStream(format)).getReader();
  return {
    async read() {
      try {
        const { value, done } = await reader.read();
        return done ? undefined : value;
      } catch (error) {
        if (error instanceof ArchiveError) throw error;
        throw wrong("what is compressed in it is damaged");
      }
    },
  };
}
