/** Words that people write: flags before the command, docker's words, exit statuses, errors of files. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

Deno.test("flags of a command may stand before its name", async () => {
  const orders: readonly (readonly string[])[] = [
    ["--net=none", "run"],
    ["--hostname", "early_name", "run", "--net=none"],
    ["--net=none", "--interactive=false", "run"],
    ["run", "--net=none"],
  ];
  for (const words of orders) {
    for (const _time of ["first", "again"]) {
      const { code, stdout, stderr } = await world.rkt(...words, BOX, "--", "-c", "hostname");
      assert.equal(code, 0, stderr);
      assert.match(stdout, words.includes("early_name") ? /^early_name\n$/ : /^rkt-/);
    }
  }
  assert.equal((await world.rkt("--no-legend", "list")).code, 0);
  const other = await world.rkt("--no-legend", "version");
  assert.match(other.stderr, /^version: unknown flag --no-legend/);
});

Deno.test("words of docker's end in what they are here", async () => {
  const words: readonly (readonly [words: string[], line: RegExp])[] = [
    [["run", "-it", BOX], /unknown flag -it; .*--interactive/],
    [["run", "-d", BOX], /unknown flag -d; there is no daemon/],
    [["prepare", "--net=none", BOX], /unknown flag --net; it belongs to rkt run-prepared/],
    [["run-prepared", "--volume=a,kind=empty", "x"], /--volume; it belongs to rkt prepare/],
    [["prepare", "--nett=none", BOX], /unknown flag --nett$/m],
    [["run", "-p", "80:80", BOX], /unknown flag -p; .*--port=NAME:HOSTPORT/],
    [
      ["run", "-v", "/a:/b", BOX],
      /unknown flag -v; .*--volume=NAME,kind=host,source=DIR and --mount/,
    ],
    [["run", "-e", "A=b", BOX], /unknown flag -e; .*--set-env=NAME=VALUE/],
    [["ps"], /unknown command "ps"; that is rkt list/],
    [["exec", "x"], /unknown command "exec"; that is rkt enter/],
    [["pull", "x"], /unknown command "pull"; that is rkt fetch/],
    [
      ["run", "--net=none", "--pull-policy=never", BOX, "echo", "hi"],
      /"echo" is taken for another image; .* behind --/,
    ],
    [
      ["run", "--net=none", BOX, "--memory=64m"],
      /--memory: "64m" is not an amount of bytes; write 64M, or 64Mi/,
    ],
    [["run", "--net=none", BOX, "--memory=64MB"], /write 64M, or 64Mi/],
    [
      ["run", "--net=none", "--set-env-file=/none", BOX],
      /--set-env-file: \/none can't be read: no such file or directory\n$/,
    ],
    [
      ["run", "--net=none", "--pod-manifest=/none"],
      /--pod-manifest: \/none can't be read: no such file or directory\n$/,
    ],
  ];
  for (const [line, message] of words) {
    const { code, stderr } = await world.rkt(...line);
    assert.equal(code, 254, line.join(" "));
    assert.match(stderr, message);
    assert.equal(stderr.split("\n").length, 2, stderr);
  }
});

Deno.test("the exit statuses are those of the table in docs/use/exit-status.md", async () => {
  const table = Deno.readTextFileSync(new URL("../../docs/use/exit-status.md", import.meta.url));
  const cases: readonly (readonly [row: RegExp, words: string[], code: number])[] = [
    [/^\| 0 +\| every command/m, ["list"], 0],
    [/^\| 254 +\| every command/m, ["status", "nothing"], 254],
    [/^\| 2 +\| `rkt` without a command/m, [], 2],
    [/^\| 1 +\| `rkt status --uuid-file=FILE`/m, ["status", "--uuid-file=/none"], 1],
    [/^\| N +\| `rkt run`/m, world.words("exit 7").slice(1), 7],
    [/^\| 128 \+ N +\| the same/m, world.words("kill -TERM $$").slice(1), 143],
  ];
  for (const [row, words, code] of cases) {
    assert.match(table, row);
    assert.equal((await world.rkt(...words)).code, code, words.join(" "));
  }
});

Deno.test("an app that was short of memory is told of, and no other", async () => {
  const run = (script: string) => {
    const args = world.words(script, "--memory=20M");
    return new Deno.Command(RKT, { args, stdin: "null" }).output();
  };
  const said = async (script: string) => new TextDecoder().decode((await run(script)).stderr);
  assert.match(
    await said("x=$(head -c 60000000 /dev/zero | tr '\\0' x); true"),
    /^stage1: app "box": it needed more memory than it may have, .*; --memory gives it more$/m,
  );
  assert.equal(await said("exit 3"), "");
  assert.equal(await said("kill -KILL $$"), "");
});
