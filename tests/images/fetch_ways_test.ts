/** The ways to a server: proxies, certificates, compressed answers; and what is said where there is no way, or nothing at its end. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { succeed } from "../world/web_site.ts";

const APP = "example.com/app:1.0";

/** A server that answers whoever connects with a text, and closes. */
function answering(answer: string): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const client of listener) {
      await client.read(new Uint8Array(8192));
      await client.write(new TextEncoder().encode(answer));
      client.close();
    }
  })();
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

Deno.test("a proxy that refuses is named as the proxy, and no_proxy goes around it", async () => {
  using world = new FetchWorld();
  world.trust();
  const answers: readonly (readonly [string, RegExp])[] = [
    ["HTTP/1.1 403 Forbidden\r\n\r\n", /refuses to connect there/],
    [
      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
      /wants a name and a password/,
    ],
  ];
  for (const [answer, said] of answers) {
    using proxy = answering(answer);
    const https_proxy = `http://me:secret@127.0.0.1:${proxy.port}`;
    const refused = await world.rktWith({
      args: ["fetch", APP],
      env: { https_proxy, no_proxy: "other.org" },
    });
    assert.equal(refused.code, 254);
    assert.match(refused.err, said);
    assert.match(refused.err, new RegExp(`the proxy 127\\.0\\.0\\.1:${proxy.port} `));
    assert.doesNotMatch(refused.err, /secret/);
    for (const no_proxy of ["foo .EXAMPLE.com", "127.0.0.1,example.com."]) {
      const around = await world.rktWith({
        args: ["fetch", "--no-store", APP],
        env: { https_proxy, no_proxy },
      });
      assert.equal(around.code, 0, around.err);
    }
  }
  const gone = await world.rktWith({
    args: ["fetch", "--no-store", APP],
    env: { https_proxy: "http://127.0.0.1:1", no_proxy: "" },
  });
  assert.match(gone.err, /the proxy 127\.0\.0\.1:1 can't be reached: connection refused/);
});

Deno.test("a signature, a page and a key that a server compresses are read", async () => {
  using world = new FetchWorld();
  const zipped = async (bytes: Uint8Array<ArrayBuffer>) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const headers = { "content-encoding": "gzip" };
  const key = await zipped(world.gpg.export(world.key));
  world.site.route("https://example.com/keys.asc", { headers, body: key });
  const trusted = await world.rkt("trust", "--prefix=example.com", "--skip-fingerprint-review");
  assert.equal(trusted.code, 0, trusted.err);
  const signature = await zipped(new Uint8Array(world.signature));
  const asc = `${world.url("example.com/app", "1.0")}.asc`;
  for (const reply of [{ headers, body: signature }, { body: signature }]) {
    world.site.route(asc, reply);
    const { code, err } = await world.rkt("fetch", "--no-store", APP);
    assert.equal(code, 0, err);
  }
  world.site.route(asc, { headers, body: signature.subarray(0, -9) });
  const damaged = await world.rkt("fetch", "--no-store", APP);
  assert.match(damaged.err, /\.asc: it is compressed with gzip, and damaged\n$/);
  // A few bytes that become many are none.
  world.site.route(asc, { headers, body: await zipped(new Uint8Array(1 << 24)) });
  assert.match(
    (await world.rkt("fetch", "--no-store", APP)).err,
    /\.asc: larger than \d+ bytes\n$/,
  );
});

Deno.test("a missing version says that the image is missing, and a missing signature that it is", async () => {
  using world = new FetchWorld();
  world.trust();
  const missing = await world.rkt("fetch", "example.com/app:9.9");
  assert.equal(missing.code, 254);
  assert.match(missing.err, /app-9\.9-linux-\w+\.aci: 404 .*there is no such image\n$/);
  world.site.route(`${world.url("example.com/app", "1.0")}.asc`, { status: 404 });
  const unsigned = await world.rkt("fetch", APP);
  assert.match(unsigned.err, /signature https:\S+\.aci\.asc: 404/);
});

Deno.test("tags that don't count are told of: in the body, behind a tag that ends the head, without a value", async () => {
  using world = new FetchWorld();
  const tag =
    '<meta name="ac-discovery-pubkeys" content="example.com https://example.com/keys.asc">';
  const pages = [
    `<html><head></head><body>${tag}</body></html>`,
    `<html><head><div>${tag}</div></head></html>`,
    '<html><head><meta name="ac-discovery-pubkeys" content="example.com"></head></html>',
  ];
  for (const body of pages) {
    world.site.route("https://example.com/?ac-discovery=1", { body });
    const { code, err } = await world.rkt("trust", "--prefix=example.com");
    assert.equal(code, 254);
    assert.match(err, /1 more can't be read: a tag counts in <head>/, body);
    const shown = await world.rkt("image", "discover", "example.com/app");
    assert.match(shown.out + shown.err, /1 more can't be read/, body);
  }
});

Deno.test("a server's certificate that is an authority's is refused with the reason", async () => {
  using world = new FetchWorld();
  const path = `${world.directory}/self`;
  succeed(
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] as const,
    ...["-nodes", "-keyout", `${path}.key`, "-out", `${path}.pem`, "-days", "2"],
    ...["-subj", "/CN=example.com", "-addext", "subjectAltName=DNS:example.com"],
    ...["-addext", "basicConstraints=critical,CA:TRUE"],
  );
  const listener = Deno.listenTls({
    hostname: world.site.address,
    port: 8443,
    cert: Deno.readTextFileSync(`${path}.pem`),
    key: Deno.readTextFileSync(`${path}.key`),
  });
  (async () => {
    for await (const connection of listener) connection.read(new Uint8Array(1)).catch(() => {});
  })().catch(() => {});
  try {
    const { code, err } = await world.rktWith({
      args: [`--ca-file=${path}.pem`, "fetch", "https://example.com:8443/a.aci"],
      noCa: true,
    });
    assert.equal(code, 254);
    assert.match(
      err,
      /https:\/\/example\.com:8443: its certificate is that of an authority \(CA:TRUE\)/,
    );
  } finally {
    listener.close();
  }
});
