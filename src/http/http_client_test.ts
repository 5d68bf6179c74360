import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { getSmall, HttpClient, type HttpOptions } from "./http_client.ts";

type Handler = (request: Request, url: URL) => Response;

/** Runs a test against a server; `waits` are the pauses that the client made. */
async function withServer(
  handler: Handler,
  test: (client: HttpClient, base: string, waits: number[]) => Promise<void>,
  options: Partial<HttpOptions> = {},
): Promise<void> {
  const serve = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using server = Deno.serve(serve, (request) => handler(request, new URL(request.url)));
  const waits: number[] = [];
  const wait = (milliseconds: number) => Promise.resolve(void waits.push(milliseconds));
  using client = new HttpClient({
    credentials: new Map(),
    allowHttp: true,
    retry: { wait },
    ...options,
  });
  await test(client, `http://127.0.0.1:${server.addr.port}`, waits);
}

const to = (location: string): Response =>
  new Response(null, { status: 302, headers: { location } });

Deno.test("get() follows ten redirects and no more", async () => {
  const handler: Handler = (_, { pathname }) => {
    const left = Number(pathname.slice(1));
    return left === 0 ? new Response("here") : to(`/${left - 1}`);
  };
  await withServer(handler, async (client, base) => {
    const { url, bytes } = await getSmall(client, `${base}/10`, 100);
    assert.deepEqual([url, new TextDecoder().decode(bytes)], [`${base}/0`, "here"]);
    await assert.rejects(client.get(`${base}/11`), /more than 10 redirects/);
  });
});

Deno.test("get() refuses plain http, and redirects to what is no web address", async () => {
  await withServer(() => to("file:///etc/passwd"), async (client, base) => {
    await assert.rejects(client.get(base), /is no web address/);
  });
  await withServer(() => assert.fail("was asked"), async (client, base) => {
    await assert.rejects(client.get(base), /is not encrypted/);
  }, { allowHttp: false });
});

Deno.test("get() tries again after 503, waits longer each time, and gives up after five", async () => {
  let asked = 0;
  const handler: Handler = (_, { pathname }) => {
    asked += 1;
    return new Response("", { status: pathname === "/dead" || asked < 3 ? 503 : 200 });
  };
  await withServer(handler, async (client, base, waits) => {
    const response = await client.get(`${base}/soon`);
    assert.equal(response.status, 200);
    response.cancel();
    assert.deepEqual(waits, [250, 500]);
    asked = 0;
    const dead = await client.get(`${base}/dead`);
    assert.equal(dead.status, 503);
    dead.cancel();
    assert.equal(asked, 5);
  });
});

Deno.test("get() obeys Retry-After, but not for ever", async () => {
  const headers = { "retry-after": "3600" };
  await withServer(
    () => new Response("", { status: 429, headers }),
    async (client, base, waits) => {
      (await client.get(base)).cancel();
      assert.deepEqual(waits, [30_000, 30_000, 30_000, 30_000]);
    },
  );
});

Deno.test("getSmall() refuses a body beyond its bound", async () => {
  await withServer(() => new Response("x".repeat(101)), async (client, base) => {
    await assert.rejects(getSmall(client, base, 100), (error) => {
      return error instanceof Failure && /larger than 100 bytes/.test(error.message);
    });
    assert.equal((await getSmall(client, base, 101)).bytes.length, 101);
  });
});

Deno.test("getSmall() refuses a body that comes in drops: a byte now and then is no silence", async () => {
  let drops = 0;
  const body = () =>
    new ReadableStream({
      async pull(controller) {
        // It ends by itself where nobody refuses it.
        if (drops++ === 500) return controller.close();
        controller.enqueue(new Uint8Array(1));
        await new Promise((next) => setTimeout(next, 5));
      },
    });
  await withServer(() => new Response(body()), async (client, base) => {
    await assert.rejects(getSmall(client, base, 1000, 50), (error) => {
      return error instanceof Failure && /not there whole after 0\.05 seconds/.test(error.message);
    });
  });
  assert.ok(drops < 500);
});
