/** What is accepted once, for a prefix: signed images of it get what they ask for, and nobody else's do. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { type Ended, FetchWorld } from "../world/fetch_world.ts";
import { keptStarts } from "../world/start_entries.ts";

const ISOLATORS = [{
  name: "os/linux/capabilities-retain-set",
  value: { set: ["CAP_CHOWN", "CAP_NET_ADMIN"] },
}];
const APP = {
  app: {
    exec: [
      "/bin/sh",
      "-c",
      "while read -r a b; do [ $a != CapBnd: ] || echo $b; done </proc/self/status",
    ],
    user: "0",
    group: "0",
    isolators: ISOLATORS,
  },
};
const RUN = ["run", "--net=none"];
/** CAP_CHOWN and CAP_NET_ADMIN. */
const GRANTED = "0000000000001001\n";
const NAME = "example.com/flannel";

/** A world with a signed image that asks for CAP_NET_ADMIN, in the store. */
async function inWorld(test: (world: FetchWorld) => Promise<void>): Promise<void> {
  using world = new FetchWorld();
  const file = testImage(world.directory, { name: NAME, shell: true, manifest: APP });
  world.serve(NAME, "1.0", Deno.readFileSync(file));
  world.trust("example.com");
  assert.equal((await world.rkt("fetch", `${NAME}:1.0`)).code, 0);
  await test(world);
}

async function succeeds(world: FetchWorld, ...words: string[]): Promise<Ended> {
  const ended = await world.here(...words);
  assert.equal(ended.code, 0, ended.err);
  return ended;
}

async function assertRefused(world: FetchWorld, said: RegExp, ...words: string[]): Promise<void> {
  const { code, out, err } = await world.here(...words);
  assert.deepEqual([code, out], [254, ""], err);
  assert.match(err, said);
  assert.equal(err.split("\n").length, 2, err);
}

Deno.test("one decision at rkt trust is enough, in whatever way the image is run, until it is taken back", () =>
  inWorld(async (world) => {
    const image = `${NAME}:1.0`;
    const ways = [[...RUN, image], [...RUN, "--dry-run", image], ["prepare", image]];
    for (const words of ways) {
      await assertRefused(world, /rkt trust --prefix=NAME --accept-isolators/, ...words);
    }
    const { out } = await succeeds(world, "trust", `--prefix=${NAME}`, "--accept-isolators");
    assert.match(out, /^Signed images get what they ask for.*prefix "example\.com\/flannel"/);
    for (const words of ways.slice(1)) await succeeds(world, ...words);
    for (let i = 0; i < 3; i++) {
      assert.equal((await succeeds(world, ...RUN, image)).out, GRANTED);
    }
    assert.notEqual(keptStarts(world.data), "");
    assert.match(
      (await succeeds(world, "trust", "list")).out,
      /^example\.com\/flannel\t.*\taccepted/m,
    );
    assert.match((await world.here("image", "trust-status", image)).out, /^accepts: /m);
    const listed: readonly Record<string, unknown>[] = JSON.parse(
      (await succeeds(world, "trust", "list", "--format=json")).out,
    );
    assert.deepEqual(
      listed.filter(({ kind }) => kind === "accept-isolators").map(({ prefix, state }) => [
        prefix,
        state,
      ]),
      [[NAME, "accepted"]],
    );
    await succeeds(world, "trust", "revoke", `--prefix=${NAME}`, "--accept-isolators");
    for (const words of ways) await assertRefused(world, /asks for more/, ...words);
    assert.doesNotMatch((await succeeds(world, "trust", "list")).out, /accepted/);
    await assertRefused(
      world,
      /nothing is accepted for prefix/,
      ...["trust", "revoke", `--prefix=${NAME}`, "--accept-isolators"],
    );
  }));

Deno.test("a decision counts for the prefix and what is below it, the system's as well until it is masked", () =>
  inWorld(async (world) => {
    const image = `${NAME}:1.0`;
    const other = ["example.com/flannel/below", "example.com/flann", "example.org", "com"];
    for (const prefix of other) {
      await succeeds(
        world,
        "trust",
        `--prefix=${prefix}`,
        "--accept-isolators",
        `${world.trust()}`,
        "--skip-fingerprint-review",
      );
      await assertRefused(world, /asks for more/, ...RUN, image);
    }
    await succeeds(world, "trust", "--root", "--accept-isolators");
    await succeeds(world, ...RUN, image);
    await succeeds(world, "trust", "revoke", "--root", "--accept-isolators");
    await assertRefused(world, /asks for more/, ...RUN, image);
    const shipped = `${world.lib}/trustedkeys/accepted.d/prefix.d/example.com`;
    Deno.mkdirSync(shipped, { recursive: true });
    Deno.writeTextFileSync(`${shipped}/isolators`, "all\n");
    for (let i = 0; i < 3; i++) await succeeds(world, ...RUN, image);
    await succeeds(world, "trust", "revoke", "--prefix=example.com", "--accept-isolators");
    assert.equal(Deno.readTextFileSync(`${shipped}/isolators`), "all\n");
    await assertRefused(world, /asks for more/, ...RUN, image);
    await succeeds(world, "trust", "--prefix=example.com", "--accept-isolators");
    assert.equal((await succeeds(world, ...RUN, image)).out, GRANTED);
  }));

Deno.test("an image that nobody signed gets nothing by its name, also where signatures are not asked for", () =>
  inWorld(async (world) => {
    await succeeds(world, "trust", `--prefix=${NAME}`, "--accept-isolators");
    const file = testImage(world.directory, {
      name: NAME,
      version: "6.6",
      shell: true,
      manifest: APP,
    });
    const said = /for signed images, and no signature of it was verified/;
    const insecure = "--insecure-options=image";
    await assertRefused(world, said, insecure, ...RUN, file);
    const granted = await succeeds(world, insecure, ...RUN, file, "--accept-isolators");
    assert.equal(granted.out, GRANTED);
    // A signature by a key that is trusted no more is none.
    await succeeds(world, insecure, ...RUN, `${NAME}:1.0`);
    await succeeds(world, "trust", "revoke", "--prefix=example.com", world.key);
    await assertRefused(
      world,
      /for signed images, and its key [0-9a-f]{40} is not trusted/,
      ...[insecure, ...RUN, `${NAME}:1.0`],
    );
  }));

Deno.test("without a key, one is discovered in the same step", async () => {
  using world = new FetchWorld();
  const file = testImage(world.directory, { name: NAME, shell: true, manifest: APP });
  world.serve(NAME, "1.0", Deno.readFileSync(file));
  world.site.route("https://example.com/flannel?ac-discovery=1", { status: 404 });
  const { code, err, out } = await world.rkt(
    ...["trust", `--prefix=${NAME}`, "--accept-isolators", "--skip-fingerprint-review"],
  );
  assert.equal(code, 0, err);
  assert.match(out, /^Added key for prefix "example\.com\/flannel"/m);
  assert.equal((await world.rkt("fetch", `${NAME}:1.0`)).code, 0);
  assert.equal((await succeeds(world, ...RUN, `${NAME}:1.0`)).out, GRANTED);
});
