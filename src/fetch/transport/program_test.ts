import assert from "node:assert/strict";
import { within } from "../../../tests/world/until.ts";
import { type Errand, runTransport, transportProgram, transportScheme } from "./program.ts";

/** A directory of a configuration whose transport for `try` is a script. */
async function withTransport(
  script: string,
  act: (program: string, directory: string) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-transport-" });
  try {
    Deno.mkdirSync(`${dir}/transport.d`, { mode: 0o755 });
    const program = `${dir}/transport.d/try`;
    Deno.writeTextFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    Deno.chmodSync(dir, 0o755);
    Deno.mkdirSync(`${dir}/private`, { mode: 0o700 });
    Deno.mkdirSync(`${dir}/private/work`, { mode: 0o700 });
    await act(program, dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

interface Ran {
  readonly content: string;
  readonly lines: readonly string[];
  readonly progress: readonly (readonly [number, number | undefined])[];
}

async function run(
  program: string,
  dir: string,
  more: Partial<Pick<Errand, "most" | "patience" | "url">> = {},
): Promise<Ran> {
  const lines: string[] = [];
  const progress: [number, number | undefined][] = [];
  const file = `${dir}/private/file`;
  await runTransport(program, {
    url: "try://place/x.aci",
    most: 1000,
    directory: `${dir}/private/work`,
    file,
    progress: (...all) => progress.push(all),
    message: (line) => lines.push(line),
    ...more,
  });
  return { content: Deno.readTextFileSync(file), lines, progress };
}

Deno.test("transportScheme() knows what rkt gets itself", () => {
  const found = ["ipfs://a/b", "magnet:?xt=x", "s3+x://b", "https://a", "docker://a", "a:b", "x"];
  assert.deepEqual(found.map(transportScheme), [
    "ipfs",
    "magnet",
    "s3+x",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("a transport gets URL, bound and descriptor, no rights, no variables, and says how far it is", async () => {
  const script =
    'echo "$@"; id -u; id -G; pwd -P >/dev/null; touch mine; env | cut -d= -f1 | sort | ' +
    "tr '\\n' ' '; echo 'progress 5 10' >&2; echo hello >&2; cat";
  await withTransport(script, async (program, dir) => {
    const { content, lines, progress } = await run(program, dir);
    const [words, uid, groups, variables] = content.split("\n");
    assert.equal(words, "try://place/x.aci 1000 1");
    if (Deno.uid() === 0) assert.deepEqual([uid, groups], ["65534", "65534"]);
    assert.match(variables ?? "", /^HOME LANG (OLDPWD )?PATH PWD TMPDIR $/);
    assert.deepEqual(lines, ["hello"]);
    assert.ok(progress.some(([done, total]) => done === 5 && total === 10));
  });
});

const FAILURES: readonly (readonly [string, string, RegExp, Partial<Errand>])[] = [
  ["too much", "head -c 2000 /dev/zero", /it sent more than the 1000 bytes that it may/, {}],
  ["far too much", "head -c 50000000 /dev/zero", /it sent more than the 1000 bytes/, {}],
  ["nothing", "exit 0", /it sent nothing/, {}],
  ["a failure behind all of it", "echo x; exit 3", /it ended with status 3/, {}],
  ["a signal", "echo x; kill -9 $$", /SIGKILL ended it/, {}],
  ["silence", "sleep 1000 & echo x; wait", /nothing came for 0.3 s/, { patience: 300 }],
];
for (const [what, script, why, more] of FAILURES) {
  Deno.test(`a transport that sends ${what} has failed, and is gone with all that it has started`, async () => {
    await withTransport(script, async (program, dir) => {
      const ended = within(run(program, dir, more), 60, "the transport's end");
      await assert.rejects(ended, { message: why });
      const left = new Deno.Command("pgrep", { args: ["-f", program] }).outputSync();
      assert.equal(new TextDecoder().decode(left.stdout), "");
    });
  });
}

Deno.test("transportProgram() runs nothing that others can write", async () => {
  await withTransport("true", (program, dir) => {
    const config = { local: dir, system: "/nonexistent" };
    assert.equal(transportProgram(config, "try"), program);
    assert.throws(() => transportProgram(config, "other"), {
      message: /^no transport for other URLs/,
    });
    Deno.chmodSync(program, 0o775);
    assert.throws(() => transportProgram(config, "try"), { message: /can be written by others/ });
    Deno.chmodSync(program, 0o755);
    Deno.chmodSync(`${dir}/transport.d`, 0o777);
    assert.throws(() => transportProgram(config, "try"), { message: /can be written by others/ });
    return Promise.resolve();
  });
});
