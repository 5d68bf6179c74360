import assert from "node:assert/strict";
import { type IsolatorScope, parseIsolators } from "../../src/appc/isolator.ts";
import { securityLabel } from "./security_label.ts";

const context = (type: string, scope: IsolatorScope = "app") =>
  parseIsolators(
    [{
      name: "os/linux/selinux-context",
      value: { user: "system_u", role: "system_r", type, level: "s0:c1,c2" },
    }],
    "isolators",
    scope,
  );
const profile = parseIsolators(
  [{ name: "os/linux/apparmor-profile", value: { profile: "web" } }],
  "isolators",
  "app",
);
const kernel = (files: Readonly<Record<string, string>>) => ({
  read: (path: string) => files[path],
});

const SELINUX = kernel({ "/sys/fs/selinux/enforce": "1" });
const LOADED = "/sys/kernel/security/apparmor/profiles";
const APPARMOR = { "/sys/module/apparmor/parameters/enabled": "Y\n", [LOADED]: "web (enforce)\n" };

Deno.test("securityLabel() gives the context for the next execve, the app's before the pod's", () => {
  const label = securityLabel("a", context("app_t"), context("pod_t", "pod"), SELINUX);
  assert.deepEqual([label?.file, label?.text], ["attr/exec", "system_u:system_r:app_t:s0:c1,c2"]);
  assert.match(securityLabel("a", [], context("pod_t"), SELINUX)?.text ?? "", /pod_t/);
  assert.equal(securityLabel("a", [], [], kernel({})), undefined);
});

Deno.test("securityLabel() gives an AppArmor profile that is loaded", () => {
  const label = securityLabel("a", profile, [], kernel(APPARMOR));
  assert.deepEqual([label?.file, label?.text], ["attr/exec", "exec web"]);
  const stacked = kernel({ ...APPARMOR, "/proc/self/attr/apparmor/current": "unconfined" });
  assert.equal(securityLabel("a", profile, [], stacked)?.file, "attr/apparmor/exec");
  const other = kernel({ ...APPARMOR, [LOADED]: "website (enforce)\n" });
  assert.throws(() => securityLabel("a", profile, [], other), /profile web is not loaded/);
});

Deno.test("securityLabel() refuses what this kernel can't enforce", () => {
  const none = kernel({});
  assert.throws(() => securityLabel("a", context("t"), [], none), /does not run SELinux/);
  assert.throws(() => securityLabel("a", profile, [], none), /does not run AppArmor/);
});
