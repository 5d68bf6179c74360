/** Completion in real shells: bash, zsh and fish load what `rkt completion` prints and complete a line. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { Tmux } from "../world/tmux.ts";
import { nth, only } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Runs a shell with `rkt` in its PATH and its completion in the file `script`. */
async function shell(command: string, ...args: string[]): Promise<string> {
  const bin = `${world.dir}/bin`;
  await Deno.mkdir(bin, { recursive: true });
  await Deno.remove(`${bin}/rkt`).catch(() => {});
  await Deno.symlink(RKT, `${bin}/rkt`);
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: world.dir,
    env: { PATH: `${bin}:${Deno.env.get("PATH")}`, HOME: world.dir, TERM: "dumb" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  return text(stdout);
}

/** The words that bash offers behind a line. */
async function bash(line: string): Promise<readonly string[]> {
  const script = `source <(rkt completion bash)
COMP_LINE=$1 COMP_POINT=\${#1} COMP_TYPE=9
read -ra COMP_WORDS <<<"$1"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_rkt
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = await shell("bash", "--norc", "-c", script, "bash", line);
  return output.split("\n").map((word) => word.trim()).filter((word) => word !== "");
}

/** The words that fish offers behind a line. */
async function fish(line: string): Promise<readonly string[]> {
  const script = "rkt completion fish | source; complete --do-complete $argv[1]";
  const output = await shell("fish", "--no-config", "-c", script, line);
  return output.split("\n").filter((each) => each !== "").map((each) => nth(each.split("\t"), 0));
}

/** How a shell is started that keeps to itself, loads the completion, and shows `ready$` then. */
const SHELLS = {
  bash: ["bash --norc --noprofile", "source <(rkt completion bash); PS1='rea''dy$ '"],
  zsh: [
    "zsh -f",
    "autoload -U compinit && compinit -u -D; source <(rkt completion zsh); PROMPT='rea''dy$ '",
  ],
  fish: [
    "fish --no-config",
    "rkt completion fish | source; function fish_prompt; echo -n 'rea''dy$ '; end",
  ],
} as const;

for (const [name, complete] of Object.entries({ bash, fish })) {
  Deno.test(`${name} completes commands, flags and values`, async () => {
    const commands = await complete("rkt sta");
    assert.deepEqual(commands, ["status"]);
    const images = await complete("rkt image ca");
    assert.deepEqual(images, ["cat-manifest"]);
    const flags = await complete("rkt run --pull-p");
    assert.ok(flags.some((flag) => /^--pull-policy=?$/.test(flag)), flags.join());
  });

  Deno.test(`${name} completes images, pods and their apps`, async () => {
    const dir = `--dir=${world.dataDir}`;
    const images = await complete(`rkt ${dir} image cat-manifest example.com/b`);
    assert.deepEqual(images, ["example.com/box"]);
    const pod = await world.start("cat /dev/zero >/dev/null & wait", "--name=only");
    const uuids = await complete(`rkt ${dir} stop `);
    const uuid = only(uuids);
    assert.deepEqual(await complete(`rkt ${dir} status ${uuid.slice(0, 8)}`), uuids);
    assert.deepEqual(await complete(`rkt ${dir} rm `), [], "a running pod can't be removed");
    const apps = await complete(`rkt ${dir} enter --app=`);
    assert.ok(apps.some((app) => /^(--app=)?only$/.test(app)), apps.join());
    await pod.end();
    assert.deepEqual(await complete(`rkt ${dir} rm ${uuid.slice(0, 8)}`), uuids);
    assert.equal((await world.rkt("rm", uuid)).code, 0);
  });
}

for (const [name, [start, load]] of Object.entries(SHELLS)) {
  Deno.test(`${name} completes at a terminal when Tab is pressed`, async () => {
    await using _pod = await world.start("cat /dev/zero >/dev/null & wait", "--name=only");
    const dir = `--dir=${world.dataDir}`;
    const { stdout } = await world.rkt("list", "--full", "--no-legend");
    const [uuid = ""] = /\S+(?=\tonly\t.*\trunning\t)/.exec(stdout) ?? [];
    using tmux = new Tmux(200, 24);
    await tmux.see(/^host#$/m);
    tmux.enter(`export HOME=${world.dir} PATH=${dirname(RKT)}:$PATH; ${start}`);
    tmux.enter(load);
    await tmux.see(/ready\$$/);
    const tries: readonly (readonly [typed: string, completed: string])[] = [
      ["rkt sta", "rkt status"],
      ["rkt run --pull-p", "rkt run --pull-policy="],
      [`rkt ${dir} image cat-manifest example.com/b`, "example.com/box"],
      [`rkt ${dir} stop ${uuid.slice(0, 6)}`, ` stop ${uuid}`],
      [`rkt ${dir} enter --app=o`, " enter --app=only"],
    ];
    for (const [typed, completed] of tries) {
      tmux.type(typed);
      tmux.press("Tab");
      await tmux.see(new RegExp(`ready\\$ .*${completed.replace(/[.]/g, "\\$&")}$`, "m"));
      // Not C-c: what bash gets of it just before it reads again, it sees at the next key only.
      tmux.press("C-u");
      await tmux.see(/ready\$$/);
    }
  });
}

Deno.test("manual pages have no warnings", async () => {
  const directory = `${world.dir}/man`;
  await Deno.mkdir(directory);
  const { code, stderr } = await world.rkt("help", `--man=${directory}`);
  assert.equal(code, 0, stderr);
  const pages = [...Deno.readDirSync(directory)].map((entry) => entry.name);
  assert.ok(pages.includes("rkt.1") && pages.includes("rkt-run.1"), pages.join());
  const man = await new Deno.Command("man", {
    args: ["--warnings", "-l", ...pages.map((page) => `${directory}/${page}`)],
    stdin: "null",
  }).output();
  assert.ok(man.success);
  assert.equal(new TextDecoder().decode(man.stderr), "");
});
