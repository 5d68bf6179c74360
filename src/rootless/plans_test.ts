/** What is verified of plans, over those of rootless pods; and what pasta is told. */
import * as k from "../linux/constants.ts";
import { namespacePlan } from "../pod/make/private_users.ts";
import assert from "node:assert/strict";
import { findingText, verify } from "../../stage1/engine/verify.ts";
import { allowedName, leavePasta, pastaArguments } from "./pasta.ts";
import { holderPlan } from "./hold_network.ts";
import { namespaceEntryPlan } from "./user_namespace.ts";

for (const keepsGroups of [true, false]) {
  Deno.test(`the way into a user namespace is a sound plan, ${keepsGroups ? "with" : "without"} groups`, () => {
    const plan = namespaceEntryPlan({
      command: ["/usr/bin/rkt", "run", "x"],
      environment: ["A=b"],
      keepsGroups,
    });
    assert.deepEqual(verify(plan).map(findingText), []);
  });
}

Deno.test("the child with a network namespace is a sound plan", () => {
  assert.deepEqual(verify(namespacePlan(k.CLONE_NEWNET).plan).map(findingText), []);
});

Deno.test("the holder of the network that pods share is a sound plan", () => {
  const plan = holderPlan("/data", ["/run/user/1/netns/rkt-u", "/data/pasta/u"]);
  assert.deepEqual(verify(plan).map(findingText), []);
});

Deno.test("pasta gets the ports that are asked for, and no others", () => {
  const none = pastaArguments("/n", []);
  assert.deepEqual(none.slice(-10), [
    ...["-t", "none", "-u", "none"],
    ...["-T", "none", "-U", "none"],
    ...["--netns", "/n"],
  ]);
  const some = pastaArguments("/n", [
    { name: "a", protocol: "tcp", hostPort: 8080, podPort: 80, count: 1 },
    {
      ...{ name: "b", protocol: "tcp", hostPort: 9000, podPort: 90, count: 3 },
      hostIp: new Uint8Array([127, 0, 0, 1]),
    },
    {
      ...{ name: "c", protocol: "udp", hostPort: 53, podPort: 53, count: 1 },
      hostIp: new Uint8Array(4),
    },
  ]);
  const text = some.join(" ");
  assert.match(text, / -t 8080:80 -t 127\.0\.0\.1\/9000-9002:90-92 -u 53:53 -T none -U none /);
  assert.ok(some.includes("--no-map-gw"), "the pod does not reach the host's loopback interface");
});

Deno.test("the name of a namespace is where AppArmor lets pasta open it, and elsewhere beside the pods", () => {
  const directory = Deno.makeTempDirSync();
  assert.equal(allowedName("u", undefined), undefined);
  assert.equal(allowedName("u", directory), undefined);
  assert.equal(allowedName("u", "/run/user/4294967294"), undefined, "it is not there");
  Deno.removeSync(directory);
});

Deno.test("a link among the names is removed, and not what it names, if that is not rkt's", () => {
  const dataDir = Deno.makeTempDirSync();
  const target = `${dataDir}/netns/rkt-u`;
  Deno.mkdirSync(`${dataDir}/netns`);
  Deno.mkdirSync(`${dataDir}/pasta`);
  Deno.writeTextFileSync(target, "");
  Deno.symlinkSync(target, `${dataDir}/pasta/u`);
  leavePasta({ uuid: "u", dataDir });
  assert.deepEqual([...Deno.readDirSync(`${dataDir}/pasta`)], []);
  assert.ok(Deno.statSync(target).isFile);
  Deno.removeSync(dataDir, { recursive: true });
});
