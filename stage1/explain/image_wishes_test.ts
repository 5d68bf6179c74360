import assert from "node:assert/strict";
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import { type Isolator, isolator } from "../../src/appc/isolator.ts";
import { imageWishes } from "./image_wishes.ts";

const of = (name: string, value: unknown): Isolator => isolator(name, value, name);
const retain = (...set: string[]) => of("os/linux/capabilities-retain-set", { set });

Deno.test("imageWishes() finds none in what only takes away", () => {
  const modest: readonly Isolator[][] = [
    [],
    [retain(...DEFAULT_CAPABILITIES)],
    [retain("CAP_CHOWN")],
    [of("os/linux/capabilities-remove-set", { set: ["CAP_CHOWN"] })],
    [of("os/linux/seccomp-retain-set", { set: ["@rkt/default-whitelist", "read"] })],
    [of("os/linux/seccomp-retain-set", { set: ["read", "write", "execve"], errno: "EPERM" })],
    [of("os/linux/oom-score-adj", 0)],
    [of("os/linux/oom-score-adj", 1000)],
    [of("os/linux/no-new-privileges", false), of("os/linux/no-new-privileges", true)],
    [of("resource/memory", { limit: "1G" })],
    [of("os/linux/apparmor-profile", { profile: "web" })],
  ];
  for (const isolators of modest) {
    const names = isolators.map(({ name }) => name).join();
    assert.deepEqual(
      imageWishes(isolators).filter(({ what }) => !what.startsWith("system")),
      [],
      names,
    );
  }
});

Deno.test("imageWishes() names each wish, and the flag that says the same", () => {
  const wishes = imageWishes([
    retain("CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NET_ADMIN"),
    of("os/linux/oom-score-adj", -1000),
    of("os/linux/seccomp-retain-set", { set: ["@appc.io/all"] }),
    of("os/linux/apparmor-profile", { profile: "unconfined" }),
  ]);
  assert.deepEqual(wishes.map(({ what }) => what.replace(/^system calls .*/, "system calls")), [
    "capabilities SYS_ADMIN, NET_ADMIN",
    "an oom score of -1000",
    "no AppArmor profile",
    "system calls",
  ]);
  assert.deepEqual(wishes.map(({ flag }) => flag), [
    "--caps-retain=CAP_CHOWN,CAP_SYS_ADMIN,CAP_NET_ADMIN",
    "--oom-score-adj=-1000",
    undefined,
    "--seccomp=mode=retain,@appc.io/all",
  ]);
});

Deno.test("a set that leaves out some calls allows all the others", () => {
  const remove = of("os/linux/seccomp-remove-set", { set: ["reboot"], errno: "EPERM" });
  const [wish, ...others] = imageWishes([remove]);
  assert.equal(others.length, 0);
  assert.match(wish?.what ?? "", /^system calls .*mount/);
  assert.equal(wish?.flag, "--seccomp=mode=remove,errno=EPERM,reboot");
});

Deno.test("calls that a capability of a flag brings are no wish of the image", () => {
  const calls = of("os/linux/seccomp-retain-set", {
    set: ["@rkt/default-whitelist", "clock_settime"],
  });
  assert.ok(imageWishes([calls]).some(({ what }) => what.includes("clock_settime")));
  const granted = { capabilities: [...DEFAULT_CAPABILITIES, "CAP_SYS_TIME"] };
  assert.ok(!imageWishes([calls], granted).some(({ what }) => what.includes("clock_settime")));
});

Deno.test("setuid files are a wish of an image whose user is not root", () => {
  const allowed = [of("os/linux/no-new-privileges", false)];
  const flags = (user: string | undefined, isolators = allowed) =>
    imageWishes(isolators, { user }).map(({ flag }) => flag);
  for (const user of ["1000", "www-data", "/bin/app", undefined]) {
    assert.deepEqual(flags(user), ["--allow-new-privileges"]);
    assert.deepEqual(flags(user, [of("os/linux/no-new-privileges", true)]), []);
  }
  for (const user of ["0", "root"]) assert.deepEqual(flags(user), []);
});
