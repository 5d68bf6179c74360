import assert from "node:assert/strict";
import { isDirect, proxyFor } from "./proxy.ts";
import { openTransport } from "./transport.ts";

Deno.test("isDirect() reads no_proxy as curl does", () => {
  const direct: readonly (readonly [host: string, noProxy: string])[] = [
    ["www.example.com", "*"],
    ["www.example.com", "a.org *"],
    ["www.example.com", "www.example.com"],
    ["www.example.com", "example.com"],
    ["www.example.com", ".example.com"],
    ["example.com", ".example.com"],
    ["www.example.com", "foo example.com"],
    ["www.example.com", "foo,  example.com ,bar"],
    ["www.example.com", "EXAMPLE.COM"],
    ["WWW.EXAMPLE.COM", "example.com."],
    ["www.example.com.", "example.com"],
    ["127.0.0.1", "127.0.0.1"],
    ["127.1.2.3", "127.0.0.0/8"],
    ["10.1.2.3", "10.1.2.2/31"],
    ["[::1]", "::1"],
    ["[::1]", "[::1]"],
    ["[fd00::1:2]", "fd00::/8"],
    ["[fd00:0:0:0:0:0:1:2]", "fd00::1:2"],
  ];
  const through: readonly (readonly [host: string, noProxy: string])[] = [
    ["www.example.com", ""],
    ["www.example.com", " , "],
    ["www.example.com", "ample.com"],
    ["www.example.com", "*.example.com"],
    ["www.example.com", "wwww.example.com"],
    ["example.com", "www.example.com"],
    ["www.example.com", "."],
    ["127.0.0.1", "0.0.1"],
    ["127.0.0.1", "128.0.0.0/8"],
    ["127.0.0.1", "127.0.0.0/33"],
    ["127.0.0.1", "127.0.0.0/x"],
    ["127.0.0.1", "::/0"],
    ["[fe80::1]", "fd00::/8"],
    ["[::1]", "::2"],
  ];
  for (const [host, noProxy] of direct) assert.ok(isDirect(host, noProxy), `${host}: ${noProxy}`);
  for (const [host, noProxy] of through) assert.ok(!isDirect(host, noProxy), `${host}: ${noProxy}`);
});

Deno.test("proxyFor() names the proxy without its password", () => {
  const names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy", "http_proxy"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  try {
    for (const name of names) Deno.env.delete(name);
    assert.equal(proxyFor("https://example.com/"), undefined);
    Deno.env.set("HTTPS_PROXY", "http://me:secret@proxy.example.org:3128");
    assert.equal(proxyFor("https://example.com/"), "proxy.example.org:3128");
    assert.equal(proxyFor("http://example.com/"), undefined);
    Deno.env.set("https_proxy", "other:8080");
    assert.equal(proxyFor("https://example.com/"), "other:8080");
    Deno.env.set("no_proxy", "example.com");
    assert.equal(proxyFor("https://example.com/"), undefined);
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
});

Deno.test("what no_proxy covers goes through no proxy, whether it is an address or a name", async () => {
  const names = ["http_proxy", "no_proxy"];
  const before = names.map((name) => Deno.env.get(name));
  await using server = Deno.serve(
    { port: 0, hostname: "localhost", onListen() {} },
    () => new Response("here"),
  );
  const { hostname, port } = server.addr;
  const address = hostname.includes(":") ? `[${hostname}]` : hostname;
  try {
    // Nobody listens there.
    Deno.env.set("http_proxy", "http://127.0.0.1:1");
    for (const [host, entry] of [[address, hostname], [address, "*"], ["localhost", "localhost"]]) {
      Deno.env.set("no_proxy", `${entry}`);
      using transport = await openTransport({});
      const signal = AbortSignal.timeout(60_000);
      const response = await transport.send(`http://${host}:${port}/`, {}, signal);
      assert.equal(await response.text(), "here", `${host}, ${entry}`);
    }
  } finally {
    names.forEach((name, i) => {
      const value = before[i];
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    });
  }
});
