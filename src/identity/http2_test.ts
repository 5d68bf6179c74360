import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ClientHttp2Session, connect as connectHttp } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { encodeHeaders } from "./hpack.ts";
import { type Http2Request, MOST_REQUEST, serveHttp2 } from "./http2.ts";

/** A server at a socket, and what it has been asked. */
async function serving(
  handle: (request: Http2Request) => void,
  act: (path: string, sockets: readonly Socket[]) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-http2-" });
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    serveHttp2(socket, handle);
  });
  server.listen(`${dir}/s`);
  await once(server, "listening");
  try {
    await act(`${dir}/s`, sockets);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Says what it was sent. */
async function echo(request: Http2Request): Promise<void> {
  const body = await request.body;
  request.respond([[":status", body === undefined ? "413" : "200"]]);
  request.write(body ?? new Uint8Array());
  request.end([["end", "yes"]]);
}

const open = (path: string): ClientHttp2Session =>
  connectHttp("http://host", { createConnection: () => connect(path) });

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly trailer: string;
}

function ask(session: ClientHttp2Session, body: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": "/", "x-long": "x".repeat(300) });
    const chunks: Buffer[] = [];
    let [status, trailer] = [0, ""];
    stream.on("response", (headers) => status = Number(headers[":status"]));
    stream.on("trailers", (headers) => trailer = `${headers.end}`);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => resolve({ status, body: Buffer.concat(chunks), trailer }));
    stream.end(body);
  });
}

const ofSize = (size: number) => Uint8Array.from({ length: size }, (_, i) => i % 251);

Deno.test("each answer comes with its end, whatever its size", async () => {
  await serving((request) => void echo(request), async (path) => {
    const session = open(path);
    for (const size of [0, 1, 16_384, 16_385, MOST_REQUEST]) {
      const body = ofSize(size);
      const answer = await ask(session, body);
      assert.equal(answer.status, 200);
      assert.equal(answer.trailer, "yes");
      assert.ok(Buffer.from(body).equals(answer.body), `${size}`);
    }
    // Several at once share the windows.
    const all = await Promise.all([1, 2, 3, 4, 5].map(() => ask(session, ofSize(40_000))));
    assert.deepEqual(all.map(({ body }) => body.length), [40_000, 40_000, 40_000, 40_000, 40_000]);
    session.destroy();
  });
});

Deno.test("a request that is too large is refused, and the connection goes on", async () => {
  await serving((request) => void echo(request), async (path) => {
    const session = open(path);
    assert.equal((await ask(session, ofSize(MOST_REQUEST + 1))).status, 413);
    assert.equal((await ask(session, ofSize(3))).status, 200);
    session.destroy();
  });
});

Deno.test("a stream that goes on ends for the server when the client leaves, however it does", async () => {
  const opened: (() => void)[] = [];
  let closed = 0;
  const ends: (() => void)[] = [];
  await serving((request) => {
    request.respond([[":status", "200"]]);
    request.onClose(() => {
      closed += 1;
      ends.shift()?.();
    });
    opened.shift()?.();
  }, async (path) => {
    for (const leave of ["close", "destroy session"] as const) {
      const session = open(path);
      const isOpen = new Promise<void>((resolve) => opened.push(resolve));
      const isOver = new Promise<void>((resolve) => ends.push(resolve));
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      await isOpen;
      if (leave === "close") stream.close();
      else session.destroy();
      await isOver;
      session.destroy();
    }
    assert.equal(closed, 2);
  });
});

/** Frames by hand. */
function frame(type: number, flags: number, id: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const SETTINGS = frame(4, 0, 0, new Uint8Array());
const HEADERS = encodeHeaders([[":method", "POST"], [":path", "/"]]);
const bytes = (...list: number[]) => Uint8Array.from(list);

/** Sends bytes, and returns the code of the farewell; undefined where the server stays. */
function farewell(path: string, ...sent: Uint8Array[]): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let input = Buffer.alloc(0);
    const ping = frame(6, 0, 0, new Uint8Array(8));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      input = Buffer.concat([input, chunk]);
      while (input.length >= 9 && input.length >= 9 + input.readUIntBE(0, 3)) {
        const end = 9 + input.readUIntBE(0, 3);
        const isPong = input[3] === 6 && input[4] === 1;
        const code = input[3] === 7 ? input.readUInt32BE(13) : undefined;
        input = input.subarray(end);
        if (!isPong && code === undefined) continue;
        resolve(code);
        socket.destroy();
        return;
      }
    });
    socket.on("close", () => resolve(-1));
    socket.write(Buffer.concat([...sent, ping]));
  });
}

const BAD: readonly (readonly [string, number, readonly Uint8Array[]])[] = [
  ["another protocol", 1, [Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")]],
  ["no settings first", 1, [PREFACE, frame(6, 0, 0, new Uint8Array(8))]],
  ["a frame that is too large", 6, [PREFACE, SETTINGS, frame(0, 0, 1, new Uint8Array(16_385))]],
  ["data of no stream", 1, [PREFACE, SETTINGS, frame(0, 0, 0, new Uint8Array(1))]],
  ["data of a stream that was never open", 1, [PREFACE, SETTINGS, frame(0, 0, 5, bytes(1))]],
  ["headers of a stream of the server's", 1, [PREFACE, SETTINGS, frame(1, 5, 2, HEADERS)]],
  ["headers that can't be decoded", 9, [PREFACE, SETTINGS, frame(1, 5, 1, bytes(0x80))]],
  ["more padding than there is", 1, [PREFACE, SETTINGS, frame(1, 0xd, 1, bytes(200, 0))]],
  ["priority without its fields", 1, [PREFACE, SETTINGS, frame(1, 0x25, 1, bytes(1, 2))]],
  ["something between parts of headers", 1, [
    PREFACE,
    SETTINGS,
    frame(1, 0, 1, HEADERS),
    frame(6, 0, 0, new Uint8Array(8)),
  ]],
  ["a part of headers without a beginning", 1, [PREFACE, SETTINGS, frame(9, 4, 1, HEADERS)]],
  ["headers without an end", 11, [
    PREFACE,
    SETTINGS,
    frame(1, 0, 1, new Uint8Array(16_000)),
    frame(9, 0, 1, new Uint8Array(16_000)),
  ]],
  ["a push", 1, [PREFACE, SETTINGS, frame(5, 4, 1, HEADERS)]],
  ["a reset of a stream that was never open", 1, [
    PREFACE,
    SETTINGS,
    frame(3, 0, 9, bytes(0, 0, 0, 0)),
  ]],
  ["settings of a wrong size", 6, [PREFACE, SETTINGS, frame(4, 0, 0, bytes(1))]],
  ["a window that is too wide by settings", 3, [
    PREFACE,
    SETTINGS,
    frame(4, 0, 0, bytes(0, 4, 0x80, 0, 0, 0)),
  ]],
  ["a window that is too wide", 3, [
    PREFACE,
    SETTINGS,
    frame(8, 0, 0, bytes(0x7f, 0xff, 0xff, 0xff)),
  ]],
  ["a window that grows by nothing", 1, [PREFACE, SETTINGS, frame(8, 0, 0, bytes(0, 0, 0, 0))]],
  ["a ping of a wrong size", 6, [PREFACE, SETTINGS, frame(6, 0, 0, bytes(1))]],
  ["headers of a request twice", 1, [
    PREFACE,
    SETTINGS,
    frame(1, 4, 1, HEADERS),
    frame(1, 4, 1, HEADERS),
  ]],
];

Deno.test("what breaks the protocol ends its connection with the code for it, and no other one", async () => {
  await serving((request) => void echo(request), async (path) => {
    for (const [what, code, sent] of BAD) {
      assert.equal(await farewell(path, ...sent), code, what);
    }
    assert.equal(
      await farewell(path, PREFACE, SETTINGS, frame(0xfa, 0xff, 77, bytes(1))),
      undefined,
    );
    const session = open(path);
    assert.equal((await ask(session, ofSize(3))).status, 200);
    session.destroy();
  });
});

Deno.test("an answer waits for the room that the client has, of the stream and of the connection", async () => {
  const answer = (request: Http2Request) => {
    request.respond([[":status", "200"]]);
    request.write(ofSize(70_000));
    request.end([]);
  };
  await serving(answer, async (path) => {
    const socket = connect(path);
    const pong = { data: 0, resolve: () => {} };
    let input = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      input = Buffer.concat([input, chunk]);
      while (input.length >= 9 && input.length >= 9 + input.readUIntBE(0, 3)) {
        const length = input.readUIntBE(0, 3);
        if (input[3] === 0) pong.data += length;
        if (input[3] === 6) pong.resolve();
        input = input.subarray(9 + length);
      }
    });
    const ping = frame(6, 0, 0, new Uint8Array(8));
    /** The bytes of answers that have come in all, behind these frames. */
    const behind = async (...sent: Uint8Array[]): Promise<number> => {
      const answered = new Promise<void>((resolve) => pong.resolve = resolve);
      socket.write(Buffer.concat([...sent, ping]));
      await answered;
      return pong.data;
    };
    const wider = (id: number, by: number) => frame(8, 0, id, bytes(0, by >> 16, by >> 8, by));
    const narrow = frame(4, 0, 0, bytes(0, 4, 0, 0, 0, 10));
    assert.equal(await behind(PREFACE, narrow, frame(1, 5, 1, HEADERS)), 10);
    assert.equal(await behind(wider(1, 90)), 100);
    // That of the connection is 65,535 bytes in the beginning.
    assert.equal(await behind(wider(1, 100_000)), 65_535);
    assert.equal(await behind(wider(0, 100_000)), 70_000);
    socket.destroy();
  });
});

Deno.test("who asks and does not read is disconnected; 3,000 connections of random frames change nothing", async () => {
  const seed = Number(Deno.args[0] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  console.log(`seed ${seed}`);
  let state = seed >>> 0 || 1;
  const random = (below: number): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
  await serving((request) => void echo(request), async (path, sockets) => {
    const deaf = connect(path);
    deaf.pause();
    deaf.on("error", () => {});
    deaf.write(Buffer.concat([PREFACE, SETTINGS]));
    const ping = frame(6, 0, 0, new Uint8Array(8));
    const pings = Buffer.concat(Array.from({ length: 2000 }, () => ping));
    await new Promise<void>((resolve, reject) => {
      // Answers of 17 MB would wait.
      let left = 500;
      const more = () => {
        if (sockets[0]?.destroyed || deaf.destroyed) resolve();
        else if (left-- === 0) reject(new Error("who does not read is served for ever"));
        else deaf.write(pings, more);
      };
      deaf.on("close", () => resolve());
      deaf.on("connect", more);
    });
    deaf.destroy();
    const junk = () => Uint8Array.from({ length: random(40) }, () => random(256));
    for (let i = 0; i < 3000; i += 10) {
      await Promise.all(Array.from({ length: 10 }, () => {
        const frames = Array.from({ length: 1 + random(6) }, () => {
          const payload = random(3) === 0 ? junk() : random(2) === 0 ? HEADERS : new Uint8Array(4);
          return frame(random(11), random(256), random(6), payload);
        });
        return farewell(path, ...(random(20) === 0 ? [junk()] : [PREFACE, SETTINGS]), ...frames);
      }));
    }
    const session = open(path);
    assert.equal((await ask(session, ofSize(3))).status, 200);
    session.destroy();
  });
});
