import assert from "node:assert/strict";
import { parseIsolators } from "../../src/appc/isolator.ts";
import { callsOf, runPod, testApp, testPod } from "../testing/fake_kernel.ts";
import { podSysctls } from "./sysctl.ts";

const settings = (
  value: Readonly<Record<string, string>>,
  pod: Parameters<typeof podSysctls>[1] = { network: "none", ipc: "private" },
) => podSysctls(parseIsolators([{ name: "os/unix/sysctl", value }], "isolators", "pod"), pod);

Deno.test("podSysctls() takes what the pod's own namespaces divide", () => {
  const value = {
    "net.ipv4.ip_forward": "1",
    "net/ipv4/conf/eth0.1/forwarding": "1",
    "net.ipv4.conf.eth0/1.arp_filter": "1",
    "kernel.shmmax": "65536",
    "kernel.sem": "1 2 3 4",
    "fs.mqueue.msg_max": "20",
    "kernel.domainname": "x",
  };
  assert.deepEqual(settings(value), [
    ["net/ipv4/ip_forward", "1"],
    ["net/ipv4/conf/eth0.1/forwarding", "1"],
    ["net/ipv4/conf/eth0.1/arp_filter", "1"],
    ["kernel/shmmax", "65536"],
    ["kernel/sem", "1 2 3 4"],
    ["fs/mqueue/msg_max", "20"],
    ["kernel/domainname", "x"],
  ]);
});

Deno.test("podSysctls() refuses what is the whole host's, and what the pod shares with it", () => {
  const names = ["core_pattern", "semaphore", "hostname.x", "shm"].map((each) => `kernel.${each}`);
  for (const name of [...names, "vm.swappiness", "fs.file-max", "fs.mqueue"]) {
    assert.throws(() => settings({ [name]: "1" }), /is the whole host's/, name);
  }
  assert.throws(() => settings({ "net.core.x": "1" }, { network: "host", ipc: "private" }), {
    message: "sysctl net.core.x: this pod shares the host's network namespace",
  });
  assert.throws(() => settings({ "kernel.shmmax": "1" }, { network: "none", ipc: "parent" }), {
    message: "sysctl kernel.shmmax: this pod shares the host's IPC namespace",
  });
});

Deno.test("init sets a pod's settings before it makes the apps' roots, and a failure ends the pod", () => {
  const pod = { ...testPod([testApp("a")]), sysctls: [["kernel/shmmax", "4096"]] as const };
  const run = runPod(pod, { clones: [0, 0] });
  const opened = callsOf(run, "openat").findIndex(([, , path]) => path === "sys/kernel/shmmax");
  assert.ok(opened >= 0);
  assert.ok(callsOf(run, "write").some(([, , text, length]) => text === "4096" && length === 4));
  const failed = runPod(pod, {
    clones: [0, 0],
    answer: (call, args) => call === "openat" && args[1] === "sys/kernel/shmmax" ? -2 : undefined,
  });
  assert.equal(failed.end.kind, "failed");
});
