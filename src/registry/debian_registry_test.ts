import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { digestOf } from "../oci/hash.ts";
import { readBlob, readConfig } from "../oci/image_source.ts";
import { parseReference } from "../oci/reference.ts";
import { tool, umociLayout } from "../oci/testing/tools.ts";
import { changeAuthFile } from "./auth_file.ts";
import { Registries } from "./registries.ts";
import { TestAuthority } from "./testing/authority.ts";
import { DebianRegistry, PASSWORD, type RegistryAuth } from "./testing/debian_registry.ts";
import { IDENTITY_TOKEN, TokenServer } from "./testing/token_server.ts";

/** A registry with images, and a user who has a home. */
class World {
  private constructor(
    readonly path: string,
    readonly authority: TestAuthority,
    readonly registry: DebianRegistry,
  ) {}

  static async make(path: string, authority: TestAuthority, auth?: RegistryAuth): Promise<World> {
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    const registry = await DebianRegistry.start({
      directory: `${path}/registry`,
      tls,
      ...auth !== undefined && { auth },
    });
    await umociLayout(`${path}/layout`);
    return new World(path, authority, registry);
  }

  /** Copies an image of the layout into the registry. */
  async push(tag: string, name: string, ...options: readonly string[]): Promise<void> {
    await tool("skopeo", [
      ...["copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds", `me:${PASSWORD}`],
      ...options,
      `oci:${this.path}/layout:${tag}`,
      `docker://${this.registry.host}/${name}`,
    ]);
  }

  async registries(variables: Record<string, string> = {}, caFile = this.authority.caFile) {
    const directories = { system: `${this.path}/lib`, local: `${this.path}/etc` };
    const home = { HOME: `${this.path}/home`, ...variables };
    return await Registries.open({
      config: directories,
      insecure: new Set(),
      retry: { attempts: 2, wait: () => Promise.resolve() },
      user: { uid: 1000, variable: (name) => new Map(Object.entries(home)).get(name) },
      ...caFile !== "" && { caFile },
    });
  }

  /** Pulls everything of an image. */
  async pull(name: string, variables?: Record<string, string>) {
    using registries = await this.registries(variables);
    await using source = registries.source(parseReference(`${this.registry.host}/${name}`));
    const resolved = await source.manifest();
    const { config } = await readConfig(source);
    const blobs = await Promise.all(resolved.manifest.layers.map((each) => readBlob(source, each)));
    const current = await source.currentDigest();
    return { ...resolved, config, current, blobs: blobs.map((each) => digestOf(each)) };
  }
}

async function withWorld(
  auth: ((authority: TestAuthority) => Promise<RegistryAuth>) | undefined,
  test: (world: World) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "rkt-registry-" });
  try {
    const authority = await TestAuthority.make(`${path}/authority`);
    const world = await World.make(path, authority, await auth?.(authority));
    await using _ = world.registry;
    await test(world);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const refused = (pull: () => Promise<unknown>, reason: RegExp) =>
  rejects(pull, (error) => {
    match(String(error), reason);
    ok(!String(error).includes(PASSWORD) && !String(error).includes(IDENTITY_TOKEN));
    return error instanceof Failure;
  });

Deno.test("an image of OCI and of docker's types comes out of a registry with TLS", async () => {
  await withWorld(undefined, async (world) => {
    await world.push("two", "team/app:1");
    await world.push("two", "team/docker:1", "--format", "v2s2");
    for (const name of ["team/app", "team/docker"]) {
      const image = await world.pull(`${name}:1`);
      deepStrictEqual(image.config.process.cmd, ["/bin/hello"]);
      deepStrictEqual(image.blobs, image.manifest.layers.map(({ digest }) => digest));
      strictEqual(image.current, image.digest);
      strictEqual(digestOf(image.bytes), image.digest);
      strictEqual((await world.pull(`${name}@${image.digest}`)).digest, image.digest);
    }
    const absent = `sha256:${"0".repeat(64)}`;
    await refused(
      () => world.pull("team/app:2"),
      /not in .*: 404 \(MANIFEST_UNKNOWN: "manifest unk/,
    );
    await refused(() => world.pull(`team/app@${absent}`), /404 \(MANIFEST_UNKNOWN/);
    await refused(() => world.pull("team/none:1"), /404/);
    using registries = await world.registries({}, "");
    const source = registries.source(parseReference(`${world.registry.host}/team/app:1`));
    await refused(() => source.manifest(), /not signed by an authority that this host trusts/);
  });
});

Deno.test("certs.d: the authority of one registry, and a client's certificate", async () => {
  const path = await Deno.makeTempDir({ prefix: "rkt-registry-" });
  try {
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    const directory = `${path}/registry`;
    await using registry = await DebianRegistry.start({
      directory,
      tls,
      clientCa: authority.caFile,
    });
    const client = await authority.certificate(["DNS:client"]);
    const settings = {
      config: { system: `${path}/lib`, local: `${path}/etc` },
      insecure: new Set<string>(),
      retry: { attempts: 1, wait: () => Promise.resolve() },
      user: { uid: 1000, variable: (name: string) => name === "HOME" ? path : undefined },
    };
    const ask = async () => {
      using registries = await Registries.open(settings);
      await registries.source(parseReference(`${registry.host}/app:1`)).manifest();
    };
    const certs = `${path}/.config/containers/certs.d/${registry.host}`;
    await refused(ask, /not signed by an authority/);
    await Deno.mkdir(certs, { recursive: true });
    await Deno.copyFile(authority.caFile, `${certs}/ca.crt`);
    // The server hangs up on a client without certificate.
    await refused(ask, /connection lost|certificate/);
    await Deno.copyFile(client.cert, `${certs}/client.cert`);
    await refused(ask, /its key client.key is missing/);
    await Deno.copyFile(client.key, `${certs}/client.key`);
    await refused(ask, /404/);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("a registry with passwords (htpasswd)", async () => {
  await withWorld(() => Promise.resolve({ kind: "basic" }), async (world) => {
    await world.push("one", "team/app:1");
    const file = `${world.path}/auth.json`;
    const pull = (variables: Record<string, string> = { REGISTRY_AUTH_FILE: file }) =>
      world.pull("team/app:1", variables);
    const secret = (password: string) => ({ kind: "password" as const, user: "me", password });
    await refused(pull, /asks for a user and password; rkt login 127.0.0.1:\d+ keeps one/);
    changeAuthFile(file, world.registry.host, secret("wrong"));
    await refused(pull, /no access to team\/app with the password of .*auth\.json: 401/);
    changeAuthFile(file, world.registry.host, secret(PASSWORD));
    const { digest } = await pull();
    strictEqual((await pull()).digest, digest);

    // The most specific namespace counts.
    changeAuthFile(file, `${world.registry.host}/team`, secret("wrong"));
    await refused(pull, /no access to team\/app/);
    changeAuthFile(file, `${world.registry.host}/team`, undefined);

    // docker's file, with a credential helper.
    await Deno.mkdir(`${world.path}/home/.docker`, { recursive: true });
    await Deno.writeTextFile(
      `${world.path}/home/.docker/config.json`,
      JSON.stringify({ credHelpers: { [world.registry.host]: "rkt-test-none" } }),
    );
    await refused(() => pull({}), /docker-credential-rkt-test-none: not found in PATH/);

    // rkt's own configuration goes before all files.
    changeAuthFile(file, world.registry.host, secret("wrong"));
    await Deno.mkdir(`${world.path}/etc/auth.d`, { recursive: true });
    await Deno.writeTextFile(
      `${world.path}/etc/auth.d/test.json`,
      JSON.stringify({
        ...{ rktKind: "dockerAuth", rktVersion: "v1", registries: [world.registry.host] },
        credentials: { user: "me", password: PASSWORD },
      }),
    );
    strictEqual((await pull()).digest, digest);
  });
});

Deno.test("a registry with tokens: of anybody, of a password, of an identity token", async () => {
  let tokens: TokenServer | undefined;
  const auth = async (authority: TestAuthority): Promise<RegistryAuth> => {
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    const signer = await authority.certificate(["DNS:signer"]);
    tokens = TokenServer.start(tls, signer);
    return { kind: "token", realm: tokens.realm, certificate: authority.caFile };
  };
  await withWorld(auth, async (world) => {
    if (tokens === undefined) throw new Error("no token server");
    await using server = tokens;
    await world.push("two", "public/app:1");
    await world.push("two", "team/app:1");
    const file = `${world.path}/auth.json`;
    const pull = (name: string) => world.pull(name, { REGISTRY_AUTH_FILE: file });
    server.asked.length = 0;
    const { digest } = await pull("public/app:1");
    // One token for the manifest, the configuration and two layers that are fetched at once.
    deepStrictEqual(server.asked, [
      { method: "GET", scope: "repository:public/app:pull", user: "" },
    ]);
    await refused(
      () => pull("team/app:1"),
      /no access to team\/app: 401 .*; it does not exist, or/,
    );

    changeAuthFile(file, world.registry.host, { kind: "password", user: "me", password: "wrong" });
    await refused(() => pull("team/app:1"), /refuses the user or password of .*auth\.json: 401/);
    changeAuthFile(file, world.registry.host, { kind: "password", user: "me", password: PASSWORD });
    strictEqual((await pull("team/app:1")).digest, digest);

    server.asked.length = 0;
    changeAuthFile(file, world.registry.host, { kind: "identity token", token: IDENTITY_TOKEN });
    strictEqual((await pull("team/app:1")).digest, digest);
    deepStrictEqual(server.asked.map(({ method, user }) => [method, user]), [["POST", "me"]]);
    // A server without OAuth 2 gets it as a password.
    server.oauth = false;
    strictEqual((await pull("team/app:1")).digest, digest);
    deepStrictEqual(server.asked.at(-1)?.method, "GET");

    // A token for something else is no token.
    server.scope = () => "repository:public/app:pull";
    await refused(() => pull("team/app:1"), /no access to team\/app with the password of/);
  });
});
