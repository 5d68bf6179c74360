/** Arguments, variables and paths with bytes that are no UTF-8. */
import assert from "node:assert/strict";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** `a`, two bytes that are no UTF-8, a surrogate as three bytes, `é` in Latin-1, `ü` in UTF-8, the mark of what was replaced. */
const BYTES = String.raw`a\377\376\355\262\200\351\303\274\357\277\275z`;

/** What `od` prints of these bytes. */
const SHOWN = "61 ff fe ed b2 80 e9 c3 bc ef bf bd 7a";

/** Runs a script of sh with $B as the bytes; rkt with the world's flags is `rkt`. */
async function script(text: string): Promise<{ code: number; out: string; err: string }> {
  const flags = world.flags.map((each) => `'${each}'`).join(" ");
  const command = new Deno.Command("bash", {
    args: ["-c", `B=$(printf '${BYTES}'); rkt() { '${RKT}' ${flags} "$@"; }\n${text}`],
    cwd: world.dir,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: (out ?? "").replace(/\s+/g, " ").trim(), err: err ?? "" };
}

const SEE = "busybox od -An -tx1 | busybox head -n 1";

for (
  const [what, words] of [
    ["an argument", `rkt run --net=none example.com/box -- -c 'printf %s "$0" | ${SEE}' "$B"`],
    [
      "a variable",
      `rkt run --net=none example.com/box --environment="V=$B" -- -c 'printf %s "$V" | ${SEE}'`,
    ],
    [
      "a variable of all apps",
      `rkt run --net=none --set-env="V=$B" example.com/box -- -c 'printf %s "$V" | ${SEE}'`,
    ],
    [
      "a variable of the caller",
      `export V="$B"; rkt run --net=none --inherit-env example.com/box -- -c 'printf %s "$V" | ${SEE}'`,
    ],
    [
      "a variable of a file",
      `printf 'V=%s\\n' "$B" >file; rkt run --net=none --set-env-file=file example.com/box -- -c 'printf %s "$V" | ${SEE}'`,
    ],
    [
      "a volume's source",
      `mkdir -p "$B"; printf %s "$B" >"$B/file"; rkt run --net=none --volume=v,kind=host,source="$PWD/$B" example.com/box ` +
      `--mount=volume=v,target=/v -- -c 'cat /v/file | ${SEE}'`,
    ],
    [
      "a volume's target",
      `rkt run --net=none --volume=v,kind=empty example.com/box --mount="volume=v,target=/srv/t/$B" -- ` +
      `-c 'cd /srv/t/*; printf %s "\${PWD#/srv/t/}" | ${SEE}'`,
    ],
    [
      "a prepared pod",
      `U=$(rkt prepare --quiet --set-env="V=$B" example.com/box -- -c 'printf %s "$V$0" | ${SEE}' "") && rkt run-prepared --net=none $U`,
    ],
  ] as const
) {
  Deno.test(`bytes that are no UTF-8 pass unchanged: ${what}`, async () => {
    // The second one may be a repeated start.
    for (const time of [1, 2]) {
      const { code, out, err } = await script(words);
      assert.deepEqual([code, out], [0, SHOWN], `${time}: ${err}`);
    }
  });
}

Deno.test("an entered command gets its arguments unchanged", async () => {
  await using pod = await world.start("sleep 1000", "--pod-name=bytes");
  const { code, out, err } = await script(
    `rkt enter bytes /bin/sh -c 'printf %s "$0" | ${SEE}' "$B"`,
  );
  assert.deepEqual([code, out], [0, SHOWN], err);
  assert.ok(pod.pid > 0);
});

Deno.test("names of rkt's own files have to be UTF-8: others are refused, and no other file is made or read", async () => {
  for (
    const words of [
      'run --net=none --uuid-file-save="u$B" example.com/box -- -c true',
      '--dir="d$B" list',
      'fetch "./$B.aci"',
      'run --net=none "./$B.aci"',
      'run --net=none --set-env-file="$B" example.com/box -- -c true',
      'run --net=none example.com/box --name="$B" -- -c true',
    ]
  ) {
    const before = [...Deno.readDirSync(world.dir)].length;
    const { code, err } = await script(`rkt ${words}`);
    assert.equal(code, 254, words);
    assert.match(
      err,
      /^\w+: "[^\n]*\\udcff\\udcfe[^\n]*" is no UTF-8, which rkt takes in [^\n]*\n$/,
    );
    assert.equal([...Deno.readDirSync(world.dir)].length, before, words);
  }
});

Deno.test("rkt works in a directory whose name is no UTF-8", async () => {
  const { code, out, err } = await script(
    `mkdir -p "$B"; cd "$B"; rkt run --net=none ../box.aci -- -c 'echo here'`,
  );
  assert.deepEqual([code, out], [0, "here"], err);
});
