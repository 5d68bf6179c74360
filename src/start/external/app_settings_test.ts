import assert from "node:assert/strict";
import type { PodApp } from "../../../stage1/pod.ts";
import { settingsEntries } from "./app_settings.ts";

const app = (name: string, after: readonly string[] = []): PodApp => ({
  name,
  root: { kind: "copy", path: "" },
  readOnlyRoot: false,
  executables: ['/bin/it\'s a "program" $(x)'],
  arguments: ["it", "a\nb", ""],
  environment: ["A=1", "B=x\n'y'"],
  workingDirectory: "/",
  uid: 0,
  gid: 0,
  supplementaryGids: [3, 4],
  capabilities: [0, 1],
  ambient: [],
  noNewPrivileges: true,
  mounts: [{
    volume: "v",
    source: "/host dir",
    target: "/v",
    place: "/v",
    inside: false,
    readOnly: true,
    recursive: true,
    directory: true,
  }],
  ownEtc: [],
  streams: { stdin: "null", stdout: "log", stderr: "inherit" },
  logSize: 1,
  lifecycle: { restart: { when: "no", most: 0, delay: 0 }, keep: false, after },
  limits: { memory: 4096n },
  processLimits: [{ resource: "nofile", soft: 5n, hard: 2n ** 64n - 1n }],
});

/** What a file of an app says. */
function text(name: string): string {
  const entry = settingsEntries([app("a")]).find(({ path }) =>
    path === `stage1/rootfs/rkt/apps/a/${name}`
  );
  assert.ok(entry?.kind === "file");
  return entry.text;
}

Deno.test("a shell that sources the settings of an app gets them, and runs nothing", () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-settings-" });
  try {
    Deno.writeTextFileSync(`${dir}/settings`, text("settings"));
    const script = '. "$0/settings"; echo "$uid:$gid:$groups:$capabilities:$memory:$stdout:' +
      '$rlimit_nofile:$keep:$no_new_privileges"';
    const { stdout } = new Deno.Command("sh", { args: ["-euc", script, dir] }).outputSync();
    assert.equal(
      new TextDecoder().decode(stdout),
      "0:0:3 4:CAP_CHOWN CAP_DAC_OVERRIDE:4096:log:5:unlimited:false:true\n",
    );
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("texts that may have any character end with NUL", () => {
  assert.equal(text("main.arguments"), "it\0a\nb\0\0");
  assert.equal(text("main.executables"), '/bin/it\'s a "program" $(x)\0');
  assert.equal(text("environment"), "A=1\0B=x\n'y'\0");
  assert.equal(text("mounts"), "/host dir\0/v\0ro,recursive\0");
});

Deno.test("an app stands behind those that it starts after", () => {
  const [, order] = settingsEntries([app("a", ["c"]), app("b"), app("c", ["b"])]);
  assert.ok(order?.kind === "file");
  assert.equal(order.text, "b\nc\na\n");
});
