/** `rkt metadata-service` and `--mds-register`: who is told what, over the network and over the socket in the pod. */
import assert from "node:assert/strict";
import { writeNetwork } from "../world/host_world.ts";
import { ask, curl, registeredPod, Service, SOCKET } from "../world/metadata_world.ts";
import { BOX, list, World } from "../world/pod_world.ts";
import { Random } from "../world/random.ts";
import { until } from "../world/until.ts";

const BASE = "/acMetadata/v1";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

Deno.test("a pod without a network is told all about itself at its socket", async () => {
  await using _service = await Service.start(world);
  const one = await registeredPod(world, "--annotation=example.com/colour=blue");
  assert.equal(one.variables.get("AC_METADATA_SOCKET"), SOCKET);
  assert.equal(one.variables.has("AC_METADATA_URL"), false);
  const uuid = await ask(one, `${BASE}/pod/uuid`);
  assert.match(uuid.body, /^[0-9a-f-]{36}$/);
  assert.equal(uuid.type, "text/plain; charset=us-ascii");
  const manifest = JSON.parse((await ask(one, `${BASE}/pod/manifest`)).body);
  assert.equal(manifest.acKind, "PodManifest");
  const { stdout } = await world.rkt("cat-manifest", "--pretty-print=false", uuid.body);
  assert.deepEqual(JSON.parse(stdout), manifest);
  const annotations = await ask(one, `${BASE}/apps/box/annotations`);
  assert.deepEqual(JSON.parse(annotations.body), [{ name: "example.com/colour", value: "blue" }]);
  assert.equal((await ask(one, `${BASE}/apps/box/annotations/example.com%2Fcolour`)).body, "blue");
  assert.match((await ask(one, `${BASE}/apps/box/image/id`)).body, /^sha512-[0-9a-f]{32,128}$/);
  const image = JSON.parse((await ask(one, `${BASE}/apps/box/image/manifest`)).body);
  assert.equal(image.name, BOX);
  for (const path of ["/apps/other/image/id", "/apps/box", "/pod", "/pod/uuid/more", "/x", "/"]) {
    assert.equal((await ask(one, `${BASE}${path}`)).status, 404, path);
  }
  assert.equal((await ask(one, `${BASE}/pod/uuid`, "-X", "POST")).status, 405);
  await one.pod.stop();
});

Deno.test("a pod finds the service at the address of the host that its network has", async () => {
  writeNetwork(world, {
    ...{ cniVersion: "1.0.0", name: "yard", type: "bridge", bridge: "yard0", isGateway: true },
    ipam: { type: "host-local", subnet: "10.79.0.0/24", dataDir: `${world.dir}/ipam` },
  });
  await using _service = await Service.start(world, "--listen-port=2375");
  const networks = [
    ["--net=default", /^http:\/\/172\.16\.28\.1:2375\/[0-9a-f]{32}$/],
    ["--net=yard", /^http:\/\/10\.79\.0\.1:2375\/[0-9a-f]{32}$/],
    ["--net=host", /^http:\/\/127\.0\.0\.1:2375\/[0-9a-f]{32}$/],
  ] as const;
  for (const [network, form] of networks) {
    const flags = network === "--net=yard" ? [`--local-config=${world.dir}/etc`] : [];
    const one = await registeredPod(world, network, ...flags);
    const url = one.variables.get("AC_METADATA_URL") ?? "";
    assert.match(url, form);
    const { stdout } = await curl(one, `${url}${BASE}/pod/uuid`);
    assert.match(stdout, /^[0-9a-f-]{36}$/);
    await one.pod.stop();
  }
});

Deno.test("nobody is told anything without being the pod, or having its token", async () => {
  await using _service = await Service.start(world);
  const one = await registeredPod(world, "--net=default");
  const other = await registeredPod(world, "--net=default");
  const url = new URL(one.variables.get("AC_METADATA_URL") ?? "");
  const own = await ask(one, `${BASE}/pod/uuid`);
  assert.notEqual((await ask(other, `${BASE}/pod/uuid`)).body, own.body);
  // The token of the one is of no use to the other, wherever it asks.
  assert.equal((await ask(one, `${url.pathname}${BASE}/pod/uuid`)).body, own.body);
  assert.equal((await ask(other, `${url.pathname}${BASE}/pod/uuid`)).status, 401);
  const status = async (...args: string[]) =>
    (await curl(...[one, "-o", "/dev/null"] as const, ...args, "-w", "%{http_code}")).stdout;
  assert.equal(await status(`${url}${BASE}/pod/uuid`), "200");
  for (const token of ["", "/", "/x", `${url.pathname.slice(0, -1)}`, `${url.pathname}0`]) {
    assert.notEqual(await status(`${url.origin}${token}${BASE}/pod/uuid`), "200", token);
  }
  const { stdout } = await curl(
    other,
    "-w",
    "%{http_code}",
    "-o",
    "/dev/null",
    `${url}${BASE}/pod/uuid`,
  );
  assert.equal(stdout, "401");
  // The host itself is no pod.
  const { success } = await new Deno.Command("curl", {
    args: ["-s", "--unix-socket", SOCKET, `http://host${BASE}/pod/uuid`],
  }).output();
  assert.equal(success, false);
  await other.pod.stop();
  await one.pod.stop();
});

Deno.test("no request is lost to a connection that an earlier one had", async () => {
  await using _service = await Service.start(world);
  const one = await registeredPod(world, "--net=host");
  const url = `${one.variables.get("AC_METADATA_URL")}${BASE}/pod/hmac/sign`;
  const urls = Array.from({ length: 20 }, () => url);
  const { stdout, stderr } = await curl(one, "-v", "--data", "content=x", ...urls);
  assert.match(stdout, /^(.{88})\1{19}$/);
  assert.doesNotMatch(stderr, /reset|died|dead|keep-alive/i);
  await one.pod.stop();
});

Deno.test("what one pod has signed, another one verifies; nobody signs as another", async () => {
  await using _service = await Service.start(world);
  const [one, other] = [await registeredPod(world), await registeredPod(world)];
  const content = "content=a%00b+c%FF";
  const sign = `${BASE}/pod/hmac/sign`;
  const { body: signature } = await ask(one, sign, "--data", content);
  assert.equal(signature.length, 88);
  assert.notEqual((await ask(other, sign, "--data", content)).body, signature);
  const { body: uuid } = await ask(one, `${BASE}/pod/uuid`);
  const { body: otherUuid } = await ask(other, `${BASE}/pod/uuid`);
  const verify = async (content: string, uuid: string, signature: string) =>
    (await ask(
      other,
      `${BASE}/pod/hmac/verify`,
      "--data",
      content,
      "--data-urlencode",
      `uuid=${uuid}`,
      "--data-urlencode",
      `signature=${signature}`,
    )).status;
  assert.equal(await verify(content, uuid, signature), 200);
  assert.equal(await verify("content=a%00b+c", uuid, signature), 403);
  assert.equal(await verify(content, otherUuid, signature), 403);
  assert.equal(await verify(content, uuid, signature.slice(4)), 403);
  assert.equal(await verify(content, "x", signature), 400);
  assert.equal((await ask(one, sign, "--data", "other=x")).status, 400);
  assert.equal((await ask(one, sign, "-F", "content=a")).status, 200);
  assert.equal((await ask(one, sign)).status, 405);
  await other.pod.stop();
  await one.pod.stop();
});

Deno.test("a service that is killed and started anew knows its pods, and not those that have ended", async () => {
  const service = await Service.start(world);
  const one = await registeredPod(world);
  const other = await registeredPod(world);
  const { body: uuid } = await ask(one, `${BASE}/pod/uuid`);
  const { body: signature } = await ask(one, `${BASE}/pod/hmac/sign`, "--data", "content=x");
  await service.end("SIGKILL");
  await other.pod.stop();
  await using again = await Service.start(world);
  assert.equal((await ask(one, `${BASE}/pod/uuid`)).body, uuid);
  assert.equal((await ask(one, `${BASE}/pod/hmac/sign`, "--data", "content=x")).body, signature);
  assert.deepEqual(list("/run/rkt/metadata-pods"), [uuid]);
  await one.pod.stop();
  assert.equal(await again.end(), 0);
});

Deno.test("a pod that was prepared registers, with users of its own, and what enters it is told as it is", async () => {
  await using _service = await Service.start(world);
  const prepared = await world.rkt(
    "prepare",
    "--private-users",
    BOX,
    "--",
    "-c",
    "exec sleep 1000",
  );
  const uuid = prepared.stdout.trim();
  const pod = world.spawn(...world.flags, "run-prepared", "--net=none", "--mds-register", uuid);
  const entered = async () => await world.rkt("enter", uuid, "/bin/env");
  await until(async () => (await entered()).code === 0, 30, "the pod");
  assert.match((await entered()).stdout, new RegExp(`^AC_METADATA_SOCKET=${SOCKET}$`, "m"));
  assert.equal((await ask({ pod }, `${BASE}/pod/uuid`)).body, uuid);
  assert.equal((await world.rkt("enter", uuid, "/bin/stat", SOCKET)).code, 0);
  await pod.stop();
});

Deno.test("without a service a pod that is to register does not start", async () => {
  const before = world.pods();
  const { code, stderr } = await world.run("true", "--mds-register");
  assert.equal(code, 254);
  assert.match(stderr, /^run: --mds-register: no metadata service answers at \S+; start .*\n$/);
  assert.deepEqual(world.pods(), before);
});

Deno.test("a second service is refused, and the first one goes on", async () => {
  await using _service = await Service.start(world);
  const { code, stderr } = await world.rkt("metadata-service");
  assert.equal(code, 254);
  assert.match(stderr, /^metadata-service: another process listens at .*\n$/);
  const one = await registeredPod(world);
  assert.equal((await ask(one, `${BASE}/pod/uuid`)).status, 200);
  await one.pod.stop();
});

/** Requests that are not quite right, at random; `-- 10000` for as many. */
Deno.test("no request without a token is answered, however it looks, and the service goes on", async () => {
  const count = Number(Deno.args[0] ?? "300");
  const random = Random.ofTest();
  await using service = await Service.start(world, "--listen-port=2376");
  const one = await registeredPod(world, "--net=host");
  const token = new URL(one.variables.get("AC_METADATA_URL") ?? "").pathname.slice(1);
  const descriptors = () => list(`/proc/${service.pid}/fd`).length;
  const before = descriptors();
  for (let i = 0; i < count; i++) {
    const text = await exchange(2376, hostileRequest(random, token));
    assert.doesNotMatch(text, /^HTTP\/1\.1 2/, JSON.stringify(text));
  }
  const { body } = await ask(one, `${BASE}/pod/uuid`);
  assert.equal(await (await fetch(`http://127.0.0.1:2376/${token}${BASE}/pod/uuid`)).text(), body);
  await until(() => descriptors() <= before + 4, 30, "the connections' end");
  await one.pod.stop();
});

function hostileRequest(random: Random, token: string): Uint8Array<ArrayBuffer> {
  const noise = (size: number) =>
    Array.from({ length: random.below(size) }, () => String.fromCharCode(random.below(256))).join(
      "",
    );
  const wrong = [
    ...["", "/", "//", "/..", `/${token.slice(1)}`, `/${token}x`, `/${token.toUpperCase()}G`],
    ...[`/%${token}`, `/${noise(40)}`, `/../${token}`, `/x/${token}`, `/${"0".repeat(32)}`],
  ];
  const paths = [
    "/pod/uuid",
    "/pod/manifest",
    "/apps/box/image/id",
    "/pod/hmac/sign",
    "/../..",
    noise(20),
  ];
  const method = random.one(["GET", "POST", "PUT", "DELETE", "PATCH", "CONNECT", "get", noise(6)]);
  const headers = [
    ...[
      "Host: x",
      `Host: ${noise(20)}`,
      "Metadata-Flavor: AppContainer",
      `Authorization: ${token}`,
    ],
    ...["Transfer-Encoding: chunked", "Content-Length: 5", "Content-Length: -1", noise(60)],
    ...[`X-Token: ${token}`, "Content-Type: multipart/form-data; boundary=", `Cookie: ${token}`],
  ];
  const some = headers.filter(() => random.next() < 0.3);
  const line = `${method} ${random.one(wrong)}${BASE}${random.one(paths)} HTTP/1.1`;
  const text = random.next() < 0.1
    ? noise(400)
    : [line, ...some, "Connection: close", "", noise(50)].join("\r\n");
  const cut = random.next() < 0.2 ? text.slice(0, random.below(text.length)) : text;
  return Uint8Array.from(cut, (character) => character.charCodeAt(0));
}

/** What the service answers to some bytes, up to the end of the connection. */
async function exchange(port: number, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  using connection = await Deno.connect({ port });
  const all: number[] = [];
  try {
    await new Response(bytes).body?.pipeTo(connection.writable, { preventClose: true });
    await connection.closeWrite();
    const buffer = new Uint8Array(4096);
    for (
      let size = await connection.read(buffer);
      size !== null;
      size = await connection.read(buffer)
    ) {
      all.push(...buffer.subarray(0, size));
    }
  } catch {
    // It was cut off.
  }
  return String.fromCharCode(...all);
}
