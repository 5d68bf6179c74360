import assert from "node:assert/strict";
import { type IsolatorScope, parseIsolators } from "./isolator.ts";
import { wholeUnits } from "./quantity.ts";

const read = (name: string, value: unknown, scope: IsolatorScope = "app") =>
  parseIsolators([{ name, value }], "isolators", scope)[0];

const CAPS = "os/linux/capabilities-retain-set";
const SECCOMP = "os/linux/seccomp-remove-set";

Deno.test("parseIsolators() reads capabilities", () => {
  const made = read(CAPS, { set: ["CAP_NET_ADMIN"] });
  assert.ok(made?.kind === CAPS);
  assert.deepEqual(made.set, ["CAP_NET_ADMIN"]);
});

Deno.test("parseIsolators() reads seccomp sets with wildcards and errno", () => {
  const made = read(SECCOMP, { set: ["@appc.io/all", "mount"], errno: "ENOSYS" });
  assert.ok(made?.kind === SECCOMP);
  assert.equal(made.errno, "ENOSYS");
});

Deno.test("parseIsolators() takes the limit for the request where there is none", () => {
  const made = read("resource/memory", { limit: "1Gi" });
  assert.ok(made?.kind === "resource/memory" && made.request !== undefined);
  assert.equal(wholeUnits(made.request), 1073741824n);
});

Deno.test("parseIsolators() keeps what it doesn't know", () => {
  const made = read("example.com/own", { any: ["thing"] });
  assert.deepEqual(made, { kind: "unknown", name: "example.com/own", value: { any: ["thing"] } });
});

Deno.test("parseIsolators() reads all the others", () => {
  const samples: Record<string, unknown> = {
    "os/linux/no-new-privileges": true,
    "os/linux/oom-score-adj": -1000,
    "os/linux/cpu-shares": 2,
    "os/linux/selinux-context": { user: "u", role: "r", type: "t", level: "s0:c1,c2" },
    "os/linux/apparmor-profile": { profile: "p" },
    "resource/cpu": { limit: "1500m", request: "1", default: false },
    "resource/block-bandwidth": { default: true, limit: "2M" },
    "resource/block-iops": { default: true, limit: "1000" },
    "resource/network-bandwidth": { default: true, limit: "1G" },
  };
  for (const [name, value] of Object.entries(samples)) assert.equal(read(name, value)?.kind, name);
  const sysctl = read("os/unix/sysctl", { "net.ipv4.ip_forward": "1" }, "pod");
  assert.equal(sysctl?.kind, "os/unix/sysctl");
});

const REFUSED: readonly (readonly [string, unknown, string])[] = [
  [CAPS, { set: [] }, "value.set: is empty"],
  [CAPS, { set: ["net"] }, 'value.set[0]: "net" is not a capability like CAP_KILL'],
  [CAPS, null, "value: is missing, an object is required"],
  [
    SECCOMP,
    { set: ["a b"] },
    'value.set[0]: "a b" is not a system call like mount, or a wildcard like @appc.io/all',
  ],
  [
    SECCOMP,
    { set: ["a"], errno: "perm" },
    'value.errno: "perm" is not the name of an error like EPERM',
  ],
  ["os/linux/no-new-privileges", "yes", 'value: "yes" is not true or false'],
  ["os/linux/oom-score-adj", 1001, "value: 1001 is not between -1000 and 1000"],
  ["os/linux/cpu-shares", 1, "value: 1 is not between 2 and 262144"],
  ["os/linux/cpu-shares", 2.5, "value: 2.5 is not a whole number"],
  ["os/linux/selinux-context", { user: "a" }, "value.role: is missing, a string is required"],
  ["os/linux/apparmor-profile", { profile: "" }, "value.profile: is empty"],
  ["os/unix/sysctl", {}, "name: os/unix/sysctl is for a pod, not for an app"],
  ["resource/cpu", { default: true, limit: "1" }, "value.default: must be false for resource/cpu"],
  ["resource/cpu", {}, "value: has neither a limit nor a request"],
  ["resource/memory", { limit: "0" }, "value.limit: 0 is not more than 0"],
  ["resource/block-iops", { limit: "1" }, "value.default: must be true for resource/block-iops"],
  [
    "resource/block-iops",
    { default: true, limit: "1", request: "1" },
    "value.request: is not allowed for resource/block-iops",
  ],
];

for (const [name, value, message] of REFUSED) {
  Deno.test(`parseIsolators() refuses ${name} ${JSON.stringify(value)}`, () => {
    const expected = { name: "AppcError", message: `isolators[0].${message}` };
    assert.throws(() => read(name, value), expected);
  });
}

Deno.test("parseIsolators() refuses sysctl names that lead elsewhere", () => {
  for (const name of ["../x", "a", "/a/b", "a..b", "a/../b"]) {
    assert.throws(() => read("os/unix/sysctl", { [name]: "1" }, "pod"), { name: "AppcError" });
  }
});

Deno.test("parseIsolators() refuses retain and remove together, and takes the last of one that is there twice", () => {
  const retain = { name: CAPS, value: { set: ["CAP_KILL"] } };
  const remove = { ...retain, name: "os/linux/capabilities-remove-set" };
  assert.throws(() => parseIsolators([retain, remove], "i", "app"), /exclude each other/);
  const last = { ...retain, value: { set: ["CAP_CHOWN"] } };
  const read = parseIsolators([retain, last], "i", "app");
  assert.deepEqual(read.map(({ value }) => value), [{ set: ["CAP_CHOWN"] }]);
});
