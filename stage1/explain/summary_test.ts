import assert from "node:assert/strict";
import type { Pod } from "../pod.ts";
import { testApp, testPod } from "../testing/fake_kernel.ts";
import { summary } from "./summary.ts";

/** What a line of the summary says. */
function said(subject: string, changes: Partial<Pod>): string | undefined {
  const app = testApp("app");
  return summary(testPod([app], changes), app).find(([name]) => name === subject)?.[1];
}

Deno.test("the summary says which namespaces are the app's own, and which the host's", () => {
  const users = { shift: 65_536, count: 65_536 };
  for (
    const [changes, own, hosts] of [
      [{}, "mount, PID, UTS, IPC, network", "user, cgroup"],
      [{ privateUsers: users }, "mount, PID, UTS, IPC, network, user", "cgroup"],
      [{ rootless: true }, "mount, PID, UTS, IPC, network, user", "cgroup"],
      [
        { network: { kind: "host" }, ipc: "parent" },
        "mount, PID, UTS",
        "IPC, network, user, cgroup",
      ],
    ] as const
  ) {
    assert.equal(said("own namespaces", changes), own);
    assert.equal(said("the host's", changes), hosts);
  }
});
