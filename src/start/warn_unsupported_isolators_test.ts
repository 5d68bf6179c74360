import assert from "node:assert/strict";
import { testApp } from "../../stage1/testing/fake_kernel.ts";
import { podManifest } from "./run_manifest.ts";
import { runRequest, storedImage } from "./testing/request_fixture.ts";
import { unsupportedIsolators } from "./warn_unsupported_isolators.ts";

const manifestOf = (...isolators: readonly unknown[]) =>
  podManifest(runRequest([{}]), [storedImage("app", { isolators })], {
    inherited: [],
    fromFiles: [],
  });

Deno.test("unsupportedIsolators() names those that have no effect, and no others", () => {
  const bandwidth = { name: "resource/network-bandwidth", value: { default: true, limit: "1M" } };
  const memory = { name: "resource/memory", value: { limit: "1Gi" } };
  assert.deepEqual(unsupportedIsolators(manifestOf(memory), []), []);
  assert.deepEqual(unsupportedIsolators(manifestOf(memory, bandwidth), [], "prepare"), [
    'prepare: warning: app "app": isolator resource/network-bandwidth is not enforced by this version of rkt',
  ]);
});

Deno.test("unsupportedIsolators() names system calls that there are not", () => {
  const systemCalls = {
    program: new Uint8Array(8),
    calls: "default",
    unknownNames: ["frobnicate"],
  } as const;
  assert.deepEqual(unsupportedIsolators(manifestOf(), [testApp("app", { systemCalls })]), [
    'run: warning: app "app": seccomp: there is no system call frobnicate, so it changes nothing',
  ]);
});
