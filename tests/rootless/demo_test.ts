/** The README's first command, by a user other than root. */
import assert from "node:assert/strict";
import { RKT } from "../world/rkt.ts";
import { UserWorld } from "../world/user_world.ts";

const SOURCES = new URL("../..", import.meta.url).pathname;

Deno.test("deno task demo shows a user the same, and leaves nothing with him", async () => {
  await using world = await UserWorld.make("range");
  const [deno, sources] = [`${world.dir}/deno`, `${world.dir}/sources`];
  const { code, stdout, stderr } = await world.command(
    [deno, "run", "--allow-all", "--frozen", "--no-check", `${sources}/scripts/demo.ts`],
    { RKT, NO_COLOR: "1", DENO_DIR: `${world.home}/deno`, TMPDIR: world.home },
    // Root's files may be in places where only root gets to.
    [
      `mkdir ${sources}; touch ${deno}`,
      `mount --bind ${SOURCES} ${sources}; mount --bind ${Deno.execPath()} ${deno}`,
    ],
  );
  assert.equal(code, 0, `${stdout}${stderr}`);
  for (
    const line of [
      /\n# \(exit status 7\)\n/,
      /\nhello\n\n\$ rkt logs \$\(cat pair\)\nwriter \| written\n/,
      /made by pasta:\n.*\n2: eth0 {4}inet 192\.0\.2\.7\/24 /,
      /\ngreeting\nhello\n/,
      /\napp-etcd=143\n/,
      /\nHello from a signed image\n/,
      /signature refused: these are not the bytes that key \w+ \(Peer <peer@example\.com>\) signed/,
      /\n# \d+ commands in \d+ s; \S+ is removed\.\n$/,
    ]
  ) assert.match(stdout, line);
  assert.deepEqual([...Deno.readDirSync(world.home)].map(({ name }) => name).toSorted(), [
    "deno",
    "run",
  ]);
});
