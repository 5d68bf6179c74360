import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import assert from "node:assert/strict";
import { type Confinement, differenceLines, differences } from "./confinement.ts";

const app = (changes: Partial<Confinement> = {}): Confinement => ({
  capabilities: DEFAULT_CAPABILITIES,
  calls: "default",
  noNewPrivileges: false,
  protectPaths: true,
  readOnlyRoot: false,
  user: "0",
  shared: [],
  labels: [],
  ...changes,
});

Deno.test("differences() finds none in an app for which nothing was said", () => {
  assert.deepEqual(differences(app()), { more: [], less: [] });
  assert.deepEqual(differenceLines(differences(app())), [
    ["beyond default", "nothing"],
    ["less", "nothing"],
  ]);
});

Deno.test("differences() names a capability with the system calls that it brings", () => {
  const { more, less } = differences(
    app({ capabilities: [...DEFAULT_CAPABILITIES, "CAP_SYS_TIME"] }),
  );
  assert.deepEqual(more, ["capabilities: SYS_TIME", "system calls: setting clocks (4)"]);
  assert.deepEqual(less, []);
});

Deno.test("differences() names what is missing", () => {
  const capabilities = DEFAULT_CAPABILITIES.filter((name) => name !== "CAP_SYS_CHROOT");
  const { more, less } = differences(
    app({ capabilities, noNewPrivileges: true, user: "33", readOnlyRoot: true, labels: ["x"] }),
  );
  assert.deepEqual(more, []);
  assert.deepEqual(less, [
    "no capabilities: SYS_CHROOT",
    "no system calls: chroot",
    "no privileges by setuid files",
    "no capability by itself, as user 33",
    "no writing to its root",
    "x",
  ]);
});

Deno.test("differences() sees both sides of a set of system calls", () => {
  const set = { kind: "os/linux/seccomp-remove-set", set: ["socket"] } as const;
  const { more, less } = differences(app({ calls: set }));
  assert.match(more.join(), /mounting \(11\)/);
  assert.match(more.join(), /keyrings \(3\)/);
  assert.deepEqual(less, ["no system calls: socket"]);
  assert.match(differences(app({ calls: "all" })).more.join(), /io_uring \(3\)/);
});
