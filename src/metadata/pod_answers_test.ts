import { deepEqual, equal, ok } from "node:assert/strict";
import { bundle } from "../identity/bundle.ts";
import { hostKeys } from "../identity/host_keys.ts";
import { parsePodManifest } from "../appc/pod_manifest.ts";
import { parseImageManifest } from "../appc/image_manifest.ts";
import { answerPod } from "./pod_answers.ts";
import type { RegisteredPod } from "./registered_pods.ts";
import { answerRegistration } from "./registration_answers.ts";
import { RegisteredPods } from "./registered_pods.ts";
import { readSocketAddress } from "./listening.ts";

const UUID = "11111111-2222-3333-4444-555555555555";
const TOKEN = "0123456789abcdef0123456789abcdef";
const KEYS = hostKeys({ bytes: new Uint8Array(32).fill(7), source: "" });
const SIGNER = {
  ...{ hmac: new Uint8Array(64).fill(7), ed25519: KEYS.signatures, trustDomain: "test.example" },
  bundle: bundle(KEYS, "test.example"),
};

const POD = JSON.stringify({
  acVersion: "0.8.11",
  acKind: "PodManifest",
  apps: [{
    name: "web",
    image: { id: `sha512-${"a".repeat(128)}` },
    annotations: [{ name: "colour", value: "of-the-pod" }, { name: "own", value: "1" }],
  }],
});
const IMAGE = JSON.stringify({
  acVersion: "0.8.11",
  acKind: "ImageManifest",
  name: "example.com/web",
  annotations: [{ name: "colour", value: "of-the-image" }, { name: "other", value: "2" }],
});

const pod: RegisteredPod = {
  ...{ uuid: UUID, token: TOKEN, manifest: POD, images: { web: IMAGE }, addresses: [] },
  parsed: parsePodManifest(POD),
  parsedImages: new Map([["web", parseImageManifest(IMAGE)]]),
};

const ask = (method: string, path: string, body = "", contentType = "") =>
  answerPod(pod, { method, path, body: new TextEncoder().encode(body), contentType }, SIGNER);

Deno.test("annotations of the pod go before those of the image, in the image's order", async () => {
  const { body } = await ask("GET", "/apps/web/annotations");
  equal(
    body,
    '[{"name":"colour","value":"of-the-pod"},{"name":"other","value":"2"},{"name":"own","value":"1"}]',
  );
});

Deno.test("a manifest without annotations has null, as the reference implementation says it", async () => {
  equal((await ask("GET", "/pod/annotations")).body, "null");
});

for (
  const [method, path, status] of [
    ["GET", "/pod/uuid", 200],
    ["HEAD", "/pod/uuid", 200],
    ["DELETE", "/pod/uuid", 405],
    ["GET", "/pod/hmac/sign", 405],
    ["GET", "/pod/hmac", 404],
    ["POST", "/pod/hmac/sign/x", 404],
    ["GET", "/pod/ed25519/sign", 405],
    ["POST", "/pod/ed25519", 404],
    ["POST", "/pod/ed25519/x", 404],
    ["GET", "/apps/__proto__/image/manifest", 404],
    ["GET", "/apps/web/annotations/%", 404],
    ["GET", "/apps/web/image/id/x", 404],
    ["POST", "/pod/hmac/sign", 400],
  ] as const
) {
  Deno.test(`${method} ${path} is answered by ${status}`, async () => {
    equal((await ask(method, path)).status, status);
  });
}

Deno.test("a signature is HMAC-SHA512 over the UUID's bytes and the content", async () => {
  const form = "application/x-www-form-urlencoded";
  const { body } = await ask("POST", "/pod/hmac/sign", "content=h%C3%A9%FF+", form);
  const { createHmac } = await import("node:crypto");
  const bytes = Uint8Array.of(0x68, 0xc3, 0xa9, 0xff, 0x20);
  const expected = createHmac("sha512", SIGNER.hmac)
    .update(Uint8Array.fromHex(UUID.replaceAll("-", ""))).update(bytes).digest("base64");
  equal(body, expected);

  const verified = async (uuid: string, signature: string, content = "h%C3%A9%FF+") => {
    const fields = { uuid, signature: encodeURIComponent(signature), content };
    const text = Object.entries(fields).map(([name, value]) => `${name}=${value}`).join("&");
    return (await ask("POST", "/pod/hmac/verify", text, form)).status;
  };
  const other = UUID.replace("1", "2");
  equal(await verified(UUID, expected), 200);
  equal(await verified(UUID, expected, "h"), 403);
  equal(await verified(other, expected), 403);
  equal(await verified(UUID, expected.slice(4)), 403);
});

function registry(): RegisteredPods & Disposable {
  const directory = Deno.makeTempDirSync();
  return Object.assign(new RegisteredPods(directory), {
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  });
}

Deno.test("what is no registration is refused and changes nothing", () => {
  using pods = registry();
  const put = (url: string, body = POD, method = "PUT") =>
    answerRegistration(pods, { method, url, body }).status;
  equal(put(`/pods/${UUID}?token=${TOKEN}`), 200);
  equal(put(`/pods/${UUID}?token=short`), 400);
  equal(put(`/pods/${UUID}`), 400);
  equal(put(`/pods/nobody?token=${TOKEN}`), 400);
  equal(put(`/pods/${UUID}?token=${TOKEN}`, "{}"), 400);
  equal(put(`/pods/${UUID.replace("1", "2")}?token=${TOKEN}`), 400, "the token of another");
  equal(put(`/pods/${UUID}/web`, IMAGE), 200);
  equal(put(`/pods/${UUID}/web`, POD), 400);
  equal(put(`/pods/${UUID}/other`, IMAGE), 400);
  equal(put(`/pods/${UUID.replace("1", "2")}/web`, IMAGE), 404);
  equal(put("/other"), 404);
  equal(put("http://["), 400);
  equal(put(`/pods/${UUID}`, "", "GET"), 405);
  equal(pods.byToken(TOKEN)?.images.web, IMAGE);
  equal(put(`/pods/${UUID}`, "", "DELETE"), 200);
  equal(put(`/pods/${UUID}`, "", "DELETE"), 404);
  equal(pods.byToken(TOKEN), undefined);
});

Deno.test("a registry that is opened anew knows what was registered, and not what it can't read", () => {
  const directory = Deno.makeTempDirSync();
  const pods = new RegisteredPods(directory);
  pods.add({ uuid: UUID, token: TOKEN, manifest: POD, addresses: ["192.0.2.1"] });
  Deno.writeTextFileSync(`${directory}/${UUID.replace("1", "2")}`, "{");
  const again = new RegisteredPods(directory);
  equal(again.size, 1);
  equal(again.byToken(TOKEN)?.uuid, UUID);
  const dead = { uuid: UUID, token: TOKEN, manifest: POD, addresses: [], dataDir: directory };
  again.add(dead);
  again.forgetEnded();
  equal(again.size, 0);
  ok([...Deno.readDirSync(directory)].length === 0);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("addresses of sockets are read as the kernel writes them", () => {
  const ipv6 = Uint8Array.fromHex("0a0046b4000000000000000000000000000000000000000100000000");
  equal(
    JSON.stringify(readSocketAddress(ipv6, 28)),
    '{"family":"ipv6","port":18100,"address":"0:0:0:0:0:0:0:1"}',
  );
  const mapped = Uint8Array.fromHex("0a0046b40000000000000000000000000000ffffc000020100000000");
  equal(
    JSON.stringify(readSocketAddress(mapped, 28)),
    '{"family":"ipv4","port":18100,"address":"192.0.2.1"}',
  );
  const path = new TextEncoder().encode("\x01\0/run/x\0rest");
  equal(JSON.stringify(readSocketAddress(path, path.length)), '{"family":"unix","path":"/run/x"}');
});

Deno.test("what a pod has signed by Ed25519 names the pod and its images, for this content alone", async () => {
  const form = "application/x-www-form-urlencoded";
  const signature = (await ask("POST", "/pod/ed25519/sign", "content=a%00b", form)).body;
  const verify = (fields: Record<string, string>) =>
    ask("POST", "/pod/ed25519/verify", `${new URLSearchParams(fields)}`, form);
  const good = await verify({ content: "a\0b", signature });
  equal(good.status, 200);
  const { sub, rkt } = JSON.parse(good.body);
  equal(sub, `spiffe://test.example/pod/${UUID}`);
  deepEqual(rkt, { pod: UUID, apps: [{ name: "web", imageID: `sha512-${"a".repeat(128)}` }] });
  equal((await verify({ content: "a", signature })).status, 403);
  equal((await verify({ content: "a\0b", signature: "x.y.z" })).status, 403);
  equal((await verify({ content: "a\0b" })).status, 400);
  equal((await ask("POST", "/pod/ed25519/sign", "other=1", form)).status, 400);
});
