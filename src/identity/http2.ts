/**
 * HTTP/2 (RFC 9113), the part of it that a server of gRPC needs, for one connection. The runtime's own is not used: an
 * assertion of it ends the process where a client leaves at the wrong moment, which any app could bring about.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { encodeHeaders, type Header, HpackDecoder, HpackError } from "./hpack.ts";

/** Types of frames (6). */
const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;
/** Codes of errors (7). */
const ERROR = {
  none: 0,
  protocol: 1,
  flow: 3,
  size: 6,
  refused: 7,
  compression: 9,
  calm: 11,
} as const;
const SETTING = { maxStreams: 3, window: 4, headerList: 6 } as const;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const HEAD = 9;
/** Bytes of a frame at most, in both directions: what everybody has to take. */
const MOST_FRAME = 16_384;
/** Bytes of a window in the beginning. */
const WINDOW = 65_535;
const MOST_WINDOW = 2 ** 31 - 1;
/** Bytes of a block of headers, and of a request, at most. */
const MOST_HEADERS = 16_384;
export const MOST_REQUEST = 60_000;
/** Streams of one connection at once, and in all of its life. */
const MOST_STREAMS = 16;
const MOST_STREAMS_EVER = 100_000;
/** Bytes that wait to be sent at most: who asks and does not read is disconnected. */
const MOST_WAITING = 1 << 20;

/** A request, and how it is answered. */
export interface Http2Request {
  readonly headers: ReadonlyMap<string, string>;
  /** All of it; undefined where it is more than {@linkcode MOST_REQUEST}. */
  readonly body: Promise<Uint8Array | undefined>;
  /** Nothing is sent behind the end of a stream, or when the other side has ended it. */
  respond(headers: readonly Header[], end?: boolean): void;
  write(bytes: Uint8Array): void;
  end(trailers: readonly Header[]): void;
  /** Called once, when the stream is over, whoever has ended it. */
  onClose(act: () => void): void;
}

class ConnectionError extends Error {
  constructor(readonly code: number) {
    super(`HTTP/2 error ${code}`);
  }
}

/** Serves a connection until it ends. */
export function serveHttp2(socket: Socket, handle: (request: Http2Request) => void): void {
  const connection = new Connection(socket, handle);
  socket.on("data", (chunk: Buffer) => connection.take(chunk));
  socket.on("close", () => connection.close());
  socket.on("error", () => connection.close());
}

/** A stream: its request as it comes, its answer as the windows let it out. */
class Stream {
  readonly chunks: Uint8Array[] = [];
  size = 0;
  /** Whether the request is there as a whole. */
  received = false;
  readonly waiting: Uint8Array[] = [];
  trailers: readonly Header[] | undefined;
  closed = false;
  readonly ends: (() => void)[] = [];
  readonly body: Promise<Uint8Array | undefined>;
  finishBody: (body: Uint8Array | undefined) => void = () => {};

  constructor(readonly id: number, public window: number) {
    this.body = new Promise((resolve) => this.finishBody = resolve);
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #handle: (request: Http2Request) => void;
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, Stream>();
  #input: Buffer = Buffer.alloc(0);
  #begun = false;
  #settled = false;
  #last = 0;
  #count = 0;
  #window = WINDOW;
  #streamWindow = WINDOW;
  /** Headers that go on in further frames. */
  #headers: { id: number; ends: boolean; parts: Uint8Array[]; size: number } | undefined;
  #over = false;

  constructor(socket: Socket, handle: (request: Http2Request) => void) {
    this.#socket = socket;
    this.#handle = handle;
  }

  take(chunk: Buffer): void {
    if (this.#over) return;
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    try {
      this.#read();
    } catch (error) {
      const code = error instanceof ConnectionError
        ? error.code
        : error instanceof HpackError
        ? ERROR.compression
        : ERROR.protocol;
      this.#leave(code);
    }
  }

  /** The connection is gone, or is to go. */
  close(): void {
    this.#over = true;
    for (const stream of [...this.#streams.values()]) this.#closeStream(stream);
  }

  #leave(code: number): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.#last, 0);
    payload.writeUInt32BE(code, 4);
    this.#send(FRAME.goaway, 0, 0, payload);
    this.close();
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #read(): void {
    if (!this.#begun) {
      const seen = this.#input.subarray(0, PREFACE.length);
      if (!seen.equals(PREFACE.subarray(0, seen.length))) throw new ConnectionError(ERROR.protocol);
      if (seen.length < PREFACE.length) return;
      this.#input = this.#input.subarray(PREFACE.length);
      this.#begun = true;
      this.#send(FRAME.settings, 0, 0, settings());
    }
    while (this.#input.length >= HEAD && !this.#over) {
      const length = this.#input.readUIntBE(0, 3);
      if (length > MOST_FRAME) throw new ConnectionError(ERROR.size);
      if (this.#input.length < HEAD + length) return;
      const [type = 0, flags = 0] = [this.#input[3], this.#input[4]];
      const id = this.#input.readUInt32BE(5) & MOST_WINDOW;
      const payload = this.#input.subarray(HEAD, HEAD + length);
      this.#input = this.#input.subarray(HEAD + length);
      this.#frame(type, flags, id, payload);
    }
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (!this.#settled && type !== FRAME.settings) throw new ConnectionError(ERROR.protocol);
    const goesOn = this.#headers !== undefined;
    if (goesOn !== (type === FRAME.continuation)) throw new ConnectionError(ERROR.protocol);
    switch (type) {
      case FRAME.data:
        return this.#data(flags, id, payload);
      case FRAME.headers:
        return this.#beginHeaders(flags, id, payload);
      case FRAME.continuation:
        return this.#moreHeaders(flags, id, payload);
      case FRAME.settings:
        return this.#settings(flags, id, payload);
      case FRAME.ping:
        if (payload.length !== 8 || id !== 0) throw new ConnectionError(ERROR.size);
        if ((flags & FLAG.ack) === 0) this.#send(FRAME.ping, FLAG.ack, 0, payload);
        return;
      case FRAME.window:
        return this.#widen(id, payload);
      case FRAME.reset: {
        if (payload.length !== 4 || id === 0 || id > this.#last) {
          throw new ConnectionError(ERROR.protocol);
        }
        const stream = this.#streams.get(id);
        if (stream !== undefined) this.#closeStream(stream);
        return;
      }
      case FRAME.push:
        throw new ConnectionError(ERROR.protocol);
      default: // priorities, the other side's farewell, and what is not known, have no effect
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    if (id === 0 || id > this.#last) throw new ConnectionError(ERROR.protocol);
    if (payload.length > 0) this.#send(FRAME.window, 0, 0, number32(payload.length));
    const stream = this.#streams.get(id);
    const content = unpadded(flags, payload);
    if (stream === undefined || stream.received) return;
    stream.size += content.length;
    if (stream.size > MOST_REQUEST) {
      stream.received = true;
      return stream.finishBody(undefined);
    }
    stream.chunks.push(content);
    if ((flags & FLAG.endStream) !== 0) this.#received(stream);
  }

  #received(stream: Stream): void {
    stream.received = true;
    stream.finishBody(new Uint8Array(Buffer.concat(stream.chunks)));
  }

  #beginHeaders(flags: number, id: number, payload: Buffer): void {
    const content = unpadded(flags, payload);
    const skipped = (flags & FLAG.priority) === 0 ? 0 : 5;
    if (id % 2 === 0 || content.length < skipped) throw new ConnectionError(ERROR.protocol);
    const ends = (flags & FLAG.endStream) !== 0;
    this.#headers = { id, ends, parts: [], size: 0 };
    this.#moreHeaders(flags, id, content.subarray(skipped));
  }

  #moreHeaders(flags: number, id: number, content: Uint8Array): void {
    const headers = this.#headers;
    if (headers === undefined || headers.id !== id) throw new ConnectionError(ERROR.protocol);
    headers.size += content.length;
    if (headers.size > MOST_HEADERS) throw new ConnectionError(ERROR.calm);
    headers.parts.push(content);
    if ((flags & FLAG.endHeaders) === 0) return;
    this.#headers = undefined;
    // All are decoded, also those of streams that are refused: the table has to stay the same as the other side's.
    const decoded = this.#decoder.decode(Buffer.concat(headers.parts));
    const known = this.#streams.get(id);
    if (known !== undefined && !known.received) {
      // Trailers of a request end it.
      if (!headers.ends) throw new ConnectionError(ERROR.protocol);
      return this.#received(known);
    }
    if (id <= this.#last) return; // of a stream that is over
    this.#open(id, new Map(decoded), headers.ends);
  }

  #open(id: number, headers: ReadonlyMap<string, string>, ends: boolean): void {
    this.#last = id;
    if (++this.#count > MOST_STREAMS_EVER) throw new ConnectionError(ERROR.calm);
    if (this.#streams.size >= MOST_STREAMS) {
      return this.#send(FRAME.reset, 0, id, number32(ERROR.refused));
    }
    const stream = new Stream(id, this.#streamWindow);
    this.#streams.set(id, stream);
    if (ends) this.#received(stream);
    this.#handle({
      headers,
      body: stream.body,
      respond: (fields, end = false) => {
        if (stream.closed) return;
        this.#sendHeaders(stream, fields, end);
        if (end) this.#endStream(stream);
      },
      write: (bytes) => {
        if (stream.closed || stream.trailers !== undefined || bytes.length === 0) return;
        stream.waiting.push(bytes);
        this.#flush(stream);
      },
      end: (trailers) => {
        if (stream.closed || stream.trailers !== undefined) return;
        stream.trailers = trailers;
        this.#flush(stream);
      },
      onClose: (act) => stream.closed ? act() : void stream.ends.push(act),
    });
  }

  #settings(flags: number, id: number, payload: Buffer): void {
    const isAck = (flags & FLAG.ack) !== 0;
    if (id !== 0 || payload.length % 6 !== 0 || (isAck && payload.length > 0)) {
      throw new ConnectionError(ERROR.size);
    }
    this.#settled = true;
    if (isAck) return;
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== SETTING.window) continue;
      const size = payload.readUInt32BE(at + 2);
      if (size > MOST_WINDOW) throw new ConnectionError(ERROR.flow);
      const more = size - this.#streamWindow;
      this.#streamWindow = size;
      for (const stream of this.#streams.values()) stream.window += more;
    }
    this.#send(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0));
    for (const stream of [...this.#streams.values()]) this.#flush(stream);
  }

  #widen(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ERROR.size);
    const more = payload.readUInt32BE(0) & MOST_WINDOW;
    if (more === 0 || id > this.#last) throw new ConnectionError(ERROR.protocol);
    const stream = this.#streams.get(id);
    if (id === 0) this.#window += more;
    else if (stream !== undefined) stream.window += more;
    if (Math.max(this.#window, stream?.window ?? 0) > MOST_WINDOW) {
      throw new ConnectionError(ERROR.flow);
    }
    for (const each of id === 0 ? [...this.#streams.values()] : stream ? [stream] : []) {
      this.#flush(each);
    }
  }

  /** Sends what the windows let out, and the end behind all of it. */
  #flush(stream: Stream): void {
    while (!stream.closed) {
      const [first] = stream.waiting;
      if (first === undefined) break;
      const room = Math.min(first.length, this.#window, stream.window, MOST_FRAME);
      if (room <= 0) return;
      this.#send(FRAME.data, 0, stream.id, first.subarray(0, room));
      this.#window -= room;
      stream.window -= room;
      if (room === first.length) stream.waiting.shift();
      else stream.waiting[0] = first.subarray(room);
    }
    if (stream.closed || stream.trailers === undefined) return;
    this.#sendHeaders(stream, stream.trailers, true);
    this.#endStream(stream);
  }

  #endStream(stream: Stream): void {
    // Nobody wants the rest of the request (8.1).
    if (!stream.received) this.#send(FRAME.reset, 0, stream.id, number32(ERROR.none));
    this.#closeStream(stream);
  }

  #closeStream(stream: Stream): void {
    if (stream.closed) return;
    stream.closed = true;
    this.#streams.delete(stream.id);
    stream.finishBody(undefined);
    for (const act of stream.ends) act();
  }

  #sendHeaders({ id }: Stream, headers: readonly Header[], end: boolean): void {
    const flags = FLAG.endHeaders | (end ? FLAG.endStream : 0);
    this.#send(FRAME.headers, flags, id, encodeHeaders(headers));
  }

  #send(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (this.#over || this.#socket.destroyed) return;
    const head = Buffer.alloc(HEAD);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(id, 5);
    this.#socket.write(Buffer.concat([head, payload]));
    if (this.#socket.writableLength <= MOST_WAITING) return;
    this.close();
    this.#socket.destroy();
  }
}

function settings(): Buffer {
  const fields = [[SETTING.maxStreams, MOST_STREAMS], [SETTING.headerList, MOST_HEADERS]] as const;
  const payload = Buffer.alloc(6 * fields.length);
  fields.forEach(([name, value], i) => {
    payload.writeUInt16BE(name, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return payload;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The content of a frame without its padding (6.1). */
function unpadded(flags: number, payload: Uint8Array): Uint8Array {
  if ((flags & FLAG.padded) === 0) return payload;
  const [padding = 0] = payload;
  if (payload.length < 1 + padding) throw new ConnectionError(ERROR.protocol);
  return payload.subarray(1, payload.length - padding);
}
