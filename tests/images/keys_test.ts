/** Keys in the keystore: what their copies say together, and which of them nobody has to look at. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { succeed } from "../world/web_site.ts";

async function inWorld(test: (world: FetchWorld) => Promise<void>): Promise<void> {
  using world = new FetchWorld();
  await test(world);
}

/** Writes a key as it is now into a file. */
function exported(world: FetchWorld, key: string, name: string): string {
  const path = `${world.directory}/${name}`;
  Deno.writeFileSync(path, world.gpg.export(key));
  return path;
}

function revoke(world: FetchWorld, key: string): void {
  const path = `${world.gpg.home}/openpgp-revocs.d/${key.toUpperCase()}.rev`;
  succeed("sed", "-i", "s/^:-----BEGIN/-----BEGIN/", path);
  world.gpg.run(["--import", path]);
}

const skip = "--skip-fingerprint-review";

Deno.test("rkt trust of an older copy takes back neither a revocation nor a later expiry", () =>
  inWorld(async (world) => {
    const key = world.gpg.key("Old <old@example.com>", "ed25519", { expires: "1d" });
    const young = exported(world, key, "young.asc");
    world.gpg.run(["--quick-set-expire", key, "10y"]);
    const prolonged = exported(world, key, "prolonged.asc");
    revoke(world, key);
    const revoked = exported(world, key, "revoked.asc");
    const trust = async (file: string, scope = "--prefix=example.com") => {
      const { code, err } = await world.rkt("trust", scope, skip, file);
      assert.equal(code, 0, err);
    };
    const states = async () => {
      const { out } = await world.rkt("trust", "list", "--format=json");
      const keys: { prefix?: string; state: string; expires?: string }[] = JSON.parse(out);
      return keys.map((
        { prefix = "root", state, expires },
      ) => [
        prefix,
        state,
        expires === undefined ? undefined : Date.parse(expires) > Date.now() + 1e11,
      ]);
    };
    await trust(prolonged);
    assert.deepEqual(await states(), [["example.com", "trusted", true]]);
    await trust(young);
    assert.deepEqual(await states(), [["example.com", "trusted", true]]);
    // Another prefix, another order: every copy says the same from now on.
    await trust(young, "--root");
    await trust(revoked, "--root");
    await trust(young);
    await trust(prolonged, "--root");
    assert.deepEqual((await states()).map(([prefix, state]) => [prefix, state]), [
      ["root", "revoked by its owner"],
      ["example.com", "revoked by its owner"],
    ]);
  }));

Deno.test("rkt fetch: one copy that knows of a revocation is enough, wherever it lies", () =>
  inWorld(async (world) => {
    const key = world.gpg.key("Two <two@example.com>", "ed25519");
    const good = world.gpg.export(key);
    world.serve("example.com/app", "1.0", world.app, world.gpg.sign(world.app, key));
    revoke(world, key);
    const revoked = world.gpg.export(key);
    const [root, host, app] = ["", "example.com", "example.com/app"] as const;
    const [etc, lib] = ["etc", "lib"] as const;
    const cases = [
      [etc, root, etc, host],
      [etc, host, etc, root],
      [etc, host, etc, app],
      [etc, host, lib, host],
      [lib, host, etc, host],
      [lib, app, lib, root],
    ] as const;
    const place = (config: "etc" | "lib", scope: string, content: Uint8Array<ArrayBuffer>) => {
      const { etc, lib } = world;
      if (config === "lib") world.etc = lib;
      world.trust(scope, key, content);
      world.etc = etc;
    };
    for (const [config, scope, knowing, knownFor] of cases) {
      const name = `${config} ${scope} ${knowing} ${knownFor}`;
      for (const each of [world.etc, world.lib]) {
        Deno.mkdirSync(each, { recursive: true });
        Deno.removeSync(each, { recursive: true });
      }
      place(config, scope, good);
      const before = await world.rkt("fetch", "--no-store", "example.com/app:1.0");
      assert.equal(before.code, 0, `${name}: ${before.err}`);
      Deno.removeSync(world.data, { recursive: true });
      place(knowing, knownFor, revoked);
      const after = await world.rkt("fetch", "--no-store", "example.com/app:1.0");
      assert.match(after.err, /has been revoked by its owner/, name);
      const status = await world.rkt("image", "trust-status", "example.com/app:1.0");
      assert.match(status.out, /revoked by its owner/, name);
      assert.equal(status.code, 1, name);
    }
  }));

/** Where keys come from, and whether `--trust-keys-from-https` takes them unasked. */
const SOURCES: {
  readonly what: string;
  readonly flags?: readonly string[];
  readonly arrange?: (world: FetchWorld) => void;
  readonly taken: boolean;
}[] = [
  { what: "https", taken: true },
  { what: "https without certificates", flags: ["--insecure-options=tls"], taken: false },
  {
    what: "https without certificates, by the word for keys",
    flags: ["--insecure-options=tls,pubkey"],
    taken: true,
  },
  {
    what: "a link that is redirected to http",
    arrange: redirected("http://example.com/plain.asc"),
    taken: false,
  },
  {
    what: "a link that is redirected to http and back",
    arrange: redirected("http://example.com/back.asc"),
    taken: false,
  },
  {
    what: "a link that is redirected to https",
    arrange: redirected("https://example.org/keys.asc"),
    taken: true,
  },
  {
    what: "an https link on a page that came by http",
    arrange: (world) => {
      world.site.route("https://example.com/?ac-discovery=1", { status: 404 });
      world.site.route("http://example.com/?ac-discovery=1", { body: PAGE });
    },
    taken: false,
  },
  {
    what: "an https link on a page that was redirected to http",
    arrange: (world) => {
      const location = "http://example.com/page";
      world.site.route("https://example.com/?ac-discovery=1", {
        status: 302,
        headers: { location },
      });
      world.site.route(location, { body: PAGE });
    },
    taken: false,
  },
];

const PAGE =
  `<meta name="ac-discovery-pubkeys" content="example.com https://example.com/keys.asc">`;

function redirected(location: string) {
  return (world: FetchWorld) => {
    const body = world.gpg.export(world.key);
    const back = "https://example.org/keys.asc";
    world.site.route("https://example.com/keys.asc", { status: 302, headers: { location } });
    world.site.route("http://example.com/plain.asc", { body });
    world.site.route("http://example.com/back.asc", { status: 302, headers: { location: back } });
    world.site.route(back, { body });
  };
}

Deno.test("--trust-keys-from-https takes a key unasked only where nobody could have changed it", () =>
  inWorld(async (world) => {
    for (const { what, flags = [], arrange, taken } of SOURCES) {
      world.reset();
      arrange?.(world);
      const { code, err } = await world.rkt(
        ...["--trust-keys-from-https", ...flags, "trust"],
        ...["--insecure-allow-http", "--prefix=example.com"],
      );
      assert.equal(code, taken ? 0 : 254, `${what}: ${err}`);
      if (!taken) assert.match(err, /has to be reviewed/, what);
    }
  }));

Deno.test("--trust-keys-from-https fetch: an https link that leads to http is not believed", () =>
  inWorld(async (world) => {
    for (const location of ["http://example.com/plain.asc", "http://example.com/back.asc"]) {
      world.reset();
      redirected(location)(world);
      const flags = ["--trust-keys-from-https", "--insecure-options=http,pubkey"];
      const { code, err } = await world.rkt(...flags, "fetch", "example.com/app:1.0");
      assert.equal(code, 254, err);
      assert.match(err, /has to be reviewed/);
      world.assertNothingStored();
    }
  }));
