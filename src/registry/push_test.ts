import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { digestOf } from "../oci/hash.ts";
import { CONFIG_TYPES, MANIFEST_TYPES } from "../oci/media_types.ts";
import { parseReference } from "../oci/reference.ts";
import { jsonBytes } from "../oci/testing/layout_fixture.ts";
import { changeAuthFile } from "./auth_file.ts";
import { Pusher } from "./push.ts";
import { Registries } from "./registries.ts";
import { TestAuthority } from "./testing/authority.ts";
import { DebianRegistry, PASSWORD } from "./testing/debian_registry.ts";
import { type Fault, MockRegistry, openForTest, refusal } from "./testing/mock_registry.ts";
import { TokenServer } from "./testing/token_server.ts";

const BYTES = new TextEncoder().encode("the bytes of a blob");
const blob = { open: () => ReadableStream.from([BYTES.slice(0, 5), BYTES.slice(5)]) };

const refuses = (push: Promise<unknown>, reason: RegExp) =>
  rejects(push, (error) => {
    match(String(error), reason);
    return error instanceof Failure;
  });

Deno.test("blobs and manifests go into a registry with tokens, and are mounted from one repository to another", async () => {
  const path = await Deno.makeTempDir({ prefix: "rkt-push-" });
  try {
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    const signer = await authority.certificate(["DNS:signer"]);
    await using tokens = TokenServer.start(tls, signer);
    await using registry = await DebianRegistry.start({
      directory: `${path}/registry`,
      tls,
      auth: { kind: "token", realm: tokens.realm, certificate: authority.caFile },
    });
    const file = `${path}/auth.json`;
    using registries = await Registries.open({
      config: { system: "/none", local: "/none" },
      insecure: new Set(),
      caFile: authority.caFile,
      user: { uid: 1000, variable: (name) => name === "REGISTRY_AUTH_FILE" ? file : undefined },
    });
    const to = (repository: string) => {
      const source = registries.source(parseReference(`${registry.host}/${repository}:1`));
      return { source, pusher: new Pusher(registries.client, source.pushEndpoint) };
    };
    // Nobody may push.
    await refuses(to("public/app").pusher.blob(blob), /no access to public\/app/);
    changeAuthFile(file, registry.host, { kind: "password", user: "me", password: PASSWORD });
    const { source, pusher } = to("team/app");
    tokens.asked.length = 0;
    const layer = await pusher.blob(blob);
    deepStrictEqual(layer, { digest: digestOf(BYTES), size: BYTES.length });
    // The registry names the actions in any order.
    const scopes = tokens.asked.map(({ scope }) => scope.replace("push,pull", "pull,push"));
    deepStrictEqual(scopes, ["repository:team/app:pull,push"]);
    strictEqual(await pusher.has(layer.digest), true);
    const config = await pusher.blob({
      open: () =>
        ReadableStream.from([
          jsonBytes({
            os: "linux",
            architecture: source.platform.architecture,
            rootfs: { type: "layers", diff_ids: [layer.digest] },
          }),
        ]),
    });
    const mediaType = MANIFEST_TYPES.ociManifest;
    const manifest = jsonBytes({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: CONFIG_TYPES.oci, ...config },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
    });
    const digest = await pusher.manifest(manifest, mediaType, "1");
    strictEqual((await source.manifest()).digest, digest);
    // A manifest whose blobs are missing is refused by the registry.
    const other = to("team/other").pusher;
    await refuses(
      other.manifest(manifest, mediaType, "1"),
      /does not take the manifest: 4\d\d \(\w*BLOB/,
    );
    const wrong = { digest: digestOf(jsonBytes("another")), open: blob.open };
    await refuses(other.blob(wrong), /has other bytes in the store/);
    strictEqual(await other.has(layer.digest), false);
    // The registry asks for a token for both repositories then.
    strictEqual(await other.mount(layer.digest, "team/app"), true);
    strictEqual(await other.has(layer.digest), true);
    strictEqual(await other.mount(digestOf(jsonBytes("none")), "team/app"), false);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("an upload goes on where the registry says, without its password on another host", async () => {
  const home = await Deno.makeTempDir({ prefix: "rkt-push-" });
  try {
    await using registry = new MockRegistry();
    await using storage = new MockRegistry();
    await Deno.mkdir(`${home}/.docker`);
    const auth = btoa("me:secret");
    await Deno.writeTextFile(
      `${home}/.docker/config.json`,
      JSON.stringify({ auths: { [registry.host]: { auth }, [storage.host]: { auth } } }),
    );
    using registries = await openForTest({ home });
    const source = registries.source(parseReference(`${registry.host}/app:1`));
    const push = () => new Pusher(registries.client, source.pushEndpoint).blob(blob);
    let location = `${storage.origin}/upload?session=1`;
    const authorized = (fault: Fault): Fault => (asked) =>
      asked.headers.get("authorization") === `Basic ${auth}`
        ? fault(asked)
        : refusal(401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="x"' });
    registry.fault = authorized(({ method }) =>
      method === "POST" ? new Response(null, { status: 202, headers: { location } }) : undefined
    );
    storage.fault = ({ method }) =>
      method === "PATCH"
        ? new Response(null, { status: 202, headers: { location: "/upload?session=2" } })
        : new Response(null, { status: 201 });
    strictEqual((await push()).digest, digestOf(BYTES));
    deepStrictEqual(
      storage.asked.map((
        { method, path, headers },
      ) => [method, path, headers.get("authorization")]),
      [
        ["PATCH", "/upload?session=1", null],
        ["PUT", `/upload?session=2&digest=${encodeURIComponent(digestOf(BYTES))}`, null],
      ],
    );
    for (const bad of ["", "file:///etc/passwd", "http://me:secret@127.0.0.1/"]) {
      location = bad;
      const answer = bad === "" ? {} : { location };
      registry.fault = authorized(() => new Response(null, { status: 202, headers: answer }));
      await refuses(push(), /says of no place where an upload goes on/);
    }
    registry.fault = authorized(() => refusal(403, "DENIED"));
    await refuses(push(), /does not take a blob: 403 \(DENIED: "so it is"\)/);
    // Whoever takes a manifest for another one can't be trusted with it.
    const digest = `sha256:${"0".repeat(64)}`;
    registry.fault = authorized(() =>
      new Response(null, { status: 201, headers: { "docker-content-digest": digest } })
    );
    const pusher = new Pusher(registries.client, source.pushEndpoint);
    await refuses(
      pusher.manifest(BYTES, "text/plain", "1"),
      /took the manifest sha256:\w+ for sha256:0000/,
    );
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("an upload whose connection breaks begins anew", async () => {
  await using registry = new MockRegistry();
  using registries = await openForTest();
  const source = registries.source(parseReference(`${registry.host}/app:1`));
  let patches = 0;
  registry.fault = ({ method }) => {
    if (method === "POST") {
      return new Response(null, { status: 202, headers: { location: "/upload" } });
    }
    if (method !== "PATCH") return new Response(null, { status: 201 });
    // A server that fails in the middle leaves an upload that nobody can go on with.
    if (++patches === 1) return new Response(null, { status: 502 });
    return new Response(null, { status: 202, headers: { location: "/upload" } });
  };
  const pushed = await new Pusher(registries.client, source.pushEndpoint).blob(blob);
  strictEqual(pushed.size, BYTES.length);
  deepStrictEqual([registry.count(/uploads/), patches], [2, 2]);
});
