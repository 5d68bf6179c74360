/** What may run: an image of the store whose signature was verified, by a key that is trusted still. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { type Ended, FetchWorld } from "../world/fetch_world.ts";
import { keptStarts } from "../world/start_entries.ts";
import { succeed } from "../world/web_site.ts";

const APP = { app: { exec: ["/bin/sh", "-c", "echo it runs"], user: "0", group: "0" } };
const SHELL = "example.com/shell:1.0";
const RUN = ["run", "--net=none"];

/** A world with an image that runs, signed by the key that is trusted for it. */
class Place implements Disposable {
  readonly world = new FetchWorld();
  readonly image = this.shell("example.com/shell", APP);

  shell(name: string, manifest: Record<string, unknown>): Uint8Array<ArrayBuffer> {
    const path = testImage(this.world.directory, { name, shell: true, manifest });
    return Deno.readFileSync(path);
  }

  /** The image signed and in the store, and a start of it kept. */
  async begin(
    key: string,
    content = this.world.gpg.export(key),
    signature = this.world.gpg.sign(this.image, key),
  ): Promise<void> {
    this.world.reset();
    this.world.trust("example.com", key, content);
    this.world.serve("example.com/shell", "1.0", this.image, signature);
    await this.succeeds("fetch", SHELL);
  }

  async succeeds(...words: string[]): Promise<Ended> {
    const ended = await this.world.rkt(...words);
    assert.equal(ended.code, 0, ended.err);
    return ended;
  }

  /** Runs the image until the start of it is kept. */
  async keepStart(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      const { out, err } = await this.world.here(...RUN, SHELL);
      assert.equal(out, "it runs\n", err);
    }
    assert.notEqual(keptStarts(this.world.data), "");
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

/** A run, a prepare, and a run by ID are refused in one line; with the flag, they are not. */
async function assertRefused(place: Place, why: RegExp, what: string): Promise<void> {
  const { world } = place;
  const [id = ""] = (await world.rkt("image", "list", "--fields=id", "--no-legend", "--full")).out
    .split("\n");
  for (
    const words of [[...RUN, SHELL], [...RUN, id], ["prepare", SHELL], [...RUN, "--dry-run", id]]
  ) {
    const { code, err } = await world.here(...words);
    assert.equal(code, 254, `${what}: ${words.join(" ")}: ${err}`);
    assert.match(err, why, what);
    assert.match(
      err,
      /^\w+: image example\.com\/\w+ \(sha512-\w+\) in the store is not trusted/,
      what,
    );
    assert.match(err, /--insecure-options=image allows it\n$/, what);
    assert.equal(err.split("\n").length, 2, err);
  }
  const allowed = await world.here("--insecure-options=image", ...RUN, SHELL);
  assert.deepEqual([allowed.code, allowed.out], [0, "it runs\n"], allowed.err);
}

const CHANGES: {
  readonly what: string;
  readonly why: RegExp;
  readonly change: (world: FetchWorld, key: string) => Promise<unknown> | void;
}[] = [
  {
    what: "rkt trust revoke",
    why: /its key [0-9a-f]{40} is not trusted for this name/,
    change: (world, key) => world.rkt("trust", "revoke", "--prefix=example.com", key),
  },
  {
    what: "the key's file is gone",
    why: /is not trusted for this name/,
    change: (world, key) => Deno.removeSync(`${world.etc}/trustedkeys/prefix.d/example.com/${key}`),
  },
  {
    what: "the key is masked",
    why: /is not trusted for this name/,
    change: (world, key) => void world.trust("example.com", key, new Uint8Array()),
  },
  {
    what: "the key is trusted for another prefix only",
    why: /is not trusted for this name/,
    change: (world, key) => {
      world.trust("example.org", key);
      world.trust("example.com/shell/below", key);
      Deno.removeSync(`${world.etc}/trustedkeys/prefix.d/example.com/${key}`);
    },
  },
  {
    what: "its owner has revoked the key",
    why: /has been revoked by its owner/,
    change: (world, key) => {
      const path = `${world.gpg.home}/openpgp-revocs.d/${key.toUpperCase()}.rev`;
      succeed("sed", "-i", "s/^:-----BEGIN/-----BEGIN/", path);
      world.gpg.run(["--import", path]);
      world.trust("example.com", key);
    },
  },
  {
    what: "another copy knows of the revocation",
    why: /has been revoked by its owner/,
    change: (world, key) => void world.trust("", key),
  },
];

Deno.test("rkt run refuses an image whose key is trusted no more, also where the start was kept", async () => {
  using place = new Place();
  const key = place.world.gpg.key("Owner <owner@example.com>", "ed25519");
  const good = place.world.gpg.export(key);
  const signature = place.world.gpg.sign(place.image, key);
  for (const { what, why, change } of CHANGES) {
    await place.begin(key, good, signature);
    await place.keepStart();
    await change(place.world, key);
    await assertRefused(place, why, what);
  }
});

Deno.test("rkt run goes on where a key was renewed, and starts are kept again", async () => {
  using place = new Place();
  const { gpg } = place.world;
  const key = gpg.key("Renewed <renewed@example.com>", "ed25519", { expires: "1d" });
  await place.begin(key);
  await place.keepStart();
  gpg.run(["--quick-set-expire", key, "10y"]);
  place.world.trust("example.com", key);
  const before = keptStarts(place.world.data);
  await place.keepStart();
  const after = keptStarts(place.world.data);
  assert.notEqual(before, after);
  await place.keepStart();
  assert.equal(keptStarts(place.world.data), after);
});

Deno.test("rkt run refuses what was fetched without a signature, by whatever name", async () => {
  using place = new Place();
  const { world } = place;
  world.trust();
  const url = world.url("example.com/shell", "1.0");
  world.site.route(url, { body: place.image });
  const app = ["--insecure-options=image", "fetch"];
  await place.succeeds(...app, SHELL);
  await assertRefused(place, /no signature of it was verified; fetch it again/, "by name");
  const byUrl = await world.rkt(...RUN, url);
  assert.equal(byUrl.code, 254, byUrl.out);
  assert.match(byUrl.err, /signature .*\.asc: 404/);
  const never = await world.rkt(...RUN, "--pull-policy=never", url);
  assert.match(never.err, /is in the store, but it is not trusted/);
  // A pod manifest names images that are in the store.
  const { out } = await world.rkt("--insecure-options=image", "prepare", SHELL);
  const { out: manifest } = await place.succeeds("cat-manifest", out.trim());
  const file = `${world.directory}/pod.json`;
  Deno.writeTextFileSync(file, manifest);
  const byManifest = await world.rkt(...RUN, `--pod-manifest=${file}`);
  assert.match(byManifest.err, /no signature of it was verified/);
  // Fetched once more, it is verified.
  world.serve("example.com/shell", "1.0", place.image);
  await place.succeeds("fetch", "--pull-policy=new", SHELL);
  await place.keepStart();
  await place.succeeds(...RUN, `--pod-manifest=${file}`);
});

Deno.test("rkt run refuses an image for one that it depends on", async () => {
  using place = new Place();
  const { world } = place;
  world.trust();
  const base = place.shell("example.com/base", {});
  const top = world.image("example.com/shell", "1.0", {}, {
    ...APP,
    dependencies: [{ imageName: "example.com/base" }],
  });
  const file = `${world.directory}/base.aci`;
  Deno.writeFileSync(file, base);
  await place.succeeds("--insecure-options=image", "fetch", file);
  world.serve("example.com/shell", "1.0", top);
  world.serve("example.com/base", "latest", base);
  await place.succeeds("--insecure-options=image", "fetch", SHELL);
  await assertRefused(place, /no signature of it was verified/, "neither was verified");
  // The image itself is verified now; the fetch gets its dependency anew as well.
  await place.succeeds("fetch", SHELL);
  await place.keepStart();
  // Of these two, the dependency is signed by another key.
  const other = world.gpg.key("Other <other@example.com>", "ed25519");
  world.data += "2";
  world.serve("example.com/base", "latest", base, world.gpg.sign(base, other));
  const path = world.trust("example.com/base", other);
  await place.succeeds("fetch", SHELL);
  await place.keepStart();
  Deno.removeSync(path);
  const refused = await world.here(...RUN, SHELL);
  assert.equal(refused.code, 254, refused.out);
  assert.match(refused.err, /image example\.com\/base .* its key [0-9a-f]{40} is not trusted/);
});
