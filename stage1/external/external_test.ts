import assert from "node:assert/strict";
import { print } from "../engine/print.ts";
import { verify } from "../engine/verify.ts";
import type { Root } from "../pod.ts";
import { entryPlan, type EntryPoint, type ExternalFiles, joiningPlan } from "./external.ts";

const ENTRY: EntryPoint = {
  directory: "/data/pods/run/u",
  path: "stage1/rootfs/ex/run",
  arguments: ["--net=none", "u"],
  environment: ["RKT_LOCK_FD=9"],
};
const overlay = (layers: string, durable = false): Root => ({
  kind: "overlay",
  tree: "../../../cas/tree/a:b,c/rootfs",
  skeleton: "../../../cas/skeleton",
  layers,
  durable,
});
const copy = (path: string): Root => ({ kind: "copy", path });

const FILES: Readonly<Record<string, ExternalFiles>> = {
  overlays: {
    stage1: overlay("overlay/.stage1"),
    apps: [{ name: "a", root: overlay("overlay/a") }, {
      name: "b",
      root: overlay("overlay/b", true),
    }],
  },
  copies: {
    stage1: copy("stage1/copy"),
    apps: [{ name: "a", root: copy("stage1/rootfs/opt/stage2/a/rootfs") }],
  },
  "no apps": { stage1: overlay("overlay/.stage1"), apps: [] },
};

for (const [name, files] of Object.entries(FILES)) {
  Deno.test(`the plan of an entry point is sound: ${name}`, () => {
    assert.deepEqual(verify(entryPlan(ENTRY, files)), []);
  });
}

Deno.test("the plan of an entry point in a pod that runs is sound", () => {
  assert.deepEqual(verify(joiningPlan(ENTRY, 12)), []);
});

Deno.test("what a path of a tree has in it does not become an option; apps that are durable are synced", () => {
  const { overlays } = FILES;
  assert.ok(overlays !== undefined);
  const lines = print(entryPlan(ENTRY, overlays), { width: 10_000 }).join("\n");
  assert.ok(lines.includes("lowerdir=../../../cas/tree/a\\\\:b\\\\,c/rootfs:"), lines);
  assert.match(lines, /upperdir=overlay\/a\/upper,workdir=overlay\/a\/work,volatile/);
  assert.match(lines, /upperdir=overlay\/b\/upper,workdir=overlay\/b\/work"/);
  assert.match(lines, /upperdir=overlay\/.stage1\/upper,workdir=overlay\/.stage1\/work"/);
  assert.match(lines, /execve.*stage1\/rootfs\/ex\/run/);
});
