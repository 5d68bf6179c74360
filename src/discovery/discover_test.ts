import assert from "node:assert/strict";
import { parseImageName } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import { discoverImage, discoverKeys, discoveryFailure, type Page } from "./discover.ts";

const APP = parseImageName("example.com/team/app:1.0,os=linux");

/** Pages by URL without the query; the rest of the world is 404, and `null` does not answer. */
function site(pages: Record<string, string | null>) {
  const asked: string[] = [];
  const getPage = (url: string): Promise<Page> => {
    asked.push(url);
    const encrypted = url.startsWith("https:");
    const html = pages[url.replace("?ac-discovery=1", "")];
    if (html === null) return Promise.reject(new Failure(`${url}: connection refused`));
    return Promise.resolve(
      html === undefined
        ? { encrypted, status: 404, statusText: "Not Found", html: "" }
        : { encrypted, status: 200, statusText: "OK", html },
    );
  };
  return { asked, getPage };
}

function tag(prefix: string, value: string, name = "ac-discovery"): string {
  return `<meta name="${name}" content="${prefix} ${value}">`;
}

Deno.test("discoverImage() walks from the name up to the host", async () => {
  const { asked, getPage } = site({
    "https://example.com/team": "<title>nothing</title>",
    "https://example.com": tag("example.com", "https://cdn.com/{name}-{version}.{ext}"),
  });
  const { found, steps } = await discoverImage(APP, { getPage });
  assert.deepEqual(found, [{
    aci: "https://cdn.com/example.com/team/app-1.0.aci",
    asc: "https://cdn.com/example.com/team/app-1.0.aci.asc",
  }]);
  assert.deepEqual(asked, [
    "https://example.com/team/app?ac-discovery=1",
    "https://example.com/team?ac-discovery=1",
    "https://example.com?ac-discovery=1",
  ]);
  assert.deepEqual(steps.map((step) => step.outcome), [
    "404 Not Found",
    "discovery tags: 0, of use for this name: 0",
    "discovery tags: 1, of use for this name: 1",
  ]);
});

Deno.test("a number is no host, however URLs spell it, and nothing is asked", async () => {
  const { asked, getPage } = site({});
  const numbers = { "48": "0.0.0.48", "127.1/app": "127.0.0.1", "0x7f.1": "127.0.0.1" };
  for (const [name, host] of Object.entries(numbers)) {
    const image = parseImageName(name);
    await assert.rejects(discoverImage(image, { getPage }), (error) => {
      assert.ok(error instanceof Failure);
      return error.message.includes(`would be the host ${host}; a name is like example.com/app`);
    });
    await assert.rejects(discoverKeys(image.name, { getPage }), Failure);
  }
  assert.deepEqual(asked, []);
  await discoverImage(parseImageName("192.0.2.1/app"), { getPage });
  assert.equal(asked.length, 2);
});

Deno.test("discoverImage() counts only templates for the name that can be filled in", async () => {
  const { getPage } = site({
    "https://example.com/team/app": [
      tag("example.org", "https://a/{name}.{ext}"),
      tag("example.com/team/apple", "https://b/{name}.{ext}"),
      tag("example.com", "https://c/{name}-{channel}.{ext}"),
      tag("example.com", "javascript:alert(1)"),
      tag("example.com", "file:///etc/passwd"),
      tag("example.com/te", "https://d/{name}.{ext}"),
      tag("example.com", "https://e/{name}.{ext}"),
    ].join(""),
  });
  const { found } = await discoverImage(APP, { getPage });
  assert.deepEqual(found.map((endpoint) => endpoint.aci.slice(8, 9)), ["d", "e"]);
});

Deno.test("discoverImage() asks by http only when that is allowed", async () => {
  const pages = { "http://example.com/team/app": tag("example.com", "http://x/{name}.{ext}") };
  const strict = site(pages);
  assert.deepEqual((await discoverImage(APP, strict)).found, []);
  assert.ok(strict.asked.every((url) => url.startsWith("https:")));
  const lax = site(pages);
  const { found, encrypted } = await discoverImage(APP, { ...lax, allowHttp: true });
  assert.equal(encrypted, false);
  assert.equal(found[0]?.aci, "http://x/example.com/team/app.aci");
  assert.deepEqual(lax.asked.map((url) => url.slice(0, 5)), ["https", "http:"]);
});

Deno.test("discoverImage() asks a host that does not answer once", async () => {
  const { asked, getPage } = site({ "https://example.com/team/app": null });
  const discovered = await discoverImage(APP, { getPage });
  assert.equal(asked.length, 1);
  assert.match(discoveryFailure(APP, discovered).message, /discovery failed: .*connection refused/);
});

Deno.test("discoveryFailure() tells who writes names as docker's users do how they are written here", () => {
  const failure = (text: string) =>
    discoveryFailure(parseImageName(text), { found: [], encrypted: false, steps: [] }).message;
  assert.match(failure("redis"), /write docker:\/\/redis$/);
  assert.match(failure("team/app:1.2,arch=amd64"), /write docker:\/\/team\/app:1\.2$/);
  assert.match(
    failure("docker.io/library/redis:7"),
    /write docker:\/\/docker\.io\/library\/redis:7$/,
  );
  assert.match(
    failure("example.com/redis:7"),
    /rkt image discover example\.com\/redis:7 shows every step$/,
  );
});

Deno.test("discoverKeys() takes the keys of the first page that has some for the prefix", async () => {
  const key = (prefix: string, url: string) => tag(prefix, url, "ac-discovery-pubkeys");
  const { getPage } = site({
    "https://example.com/team": key("example.org", "https://a/k") + tag("example.com", "https://x"),
    "https://example.com": key("example.com", "https://b/k") + key("example.com", "https://c/k"),
  });
  const { found, encrypted } = await discoverKeys("example.com/team", { getPage });
  assert.equal(encrypted, true);
  assert.deepEqual(found, ["https://b/k", "https://c/k"]);
});
