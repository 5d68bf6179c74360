import assert from "node:assert/strict";
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import type { Pod } from "../pod.ts";
import {
  callsOf,
  exited,
  INIT,
  runPod,
  type Script,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";

const COMMAND = ["/usr/bin/rkt", "--dir=/data", "rm", "UUID"];
const CHILD = 200;
const UUID = "c0ffee00-0000-4000-8000-000000000000";

const supervisor = (
  clones: readonly number[],
  answer?: Script["answer"],
  changes: Partial<Pod> = {},
) =>
  runPod(testPod([testApp("app")], { removal: COMMAND, ...changes }), {
    clones,
    events: [{ ended: [[INIT, exited(5)]] }],
    answer,
  });

/** Has the pod's directory not be moved, so that rkt has to remove it. */
const byRkt = (answer?: Script["answer"]): Script["answer"] => (call, args, memory) =>
  call === "renameat2" && args[3] === `../../garbage/${UUID}`
    ? -ERRNO.EBUSY
    : answer?.(call, args, memory);

const cgroups: Pod["cgroups"] = {
  version: 1,
  bases: [{ path: "/sys/fs/cgroup/pids/user", controllers: ["pids"] }],
  enable: [],
  disks: [],
};

Deno.test("the supervisor removes the pod's directory from the garbage, and ends as the pod ended", () => {
  const run = supervisor([INIT]);
  assert.deepEqual(run.end, { kind: "exit", code: 5 });
  const last = callsOf(run, "renameat2", "openat", "getdents64", "unlinkat", "clone").slice(-5);
  assert.deepEqual(last.map(([call, ...args]) => [call, args[1]]), [
    ["renameat2", `../${UUID}`],
    ["openat", ".."],
    ["openat", "."],
    ["getdents64", 4096],
    ["unlinkat", UUID],
  ]);
  assert.deepEqual(callsOf(run, "close_range"), []);
});

Deno.test("rkt removes a pod whose cgroups, directory or networks the supervisor can't see to", () => {
  const fails = (name: string, at: number, value: unknown): Script["answer"] => (call, args) =>
    call === name && args[at] === value ? -ERRNO.EACCES : undefined;
  const gone: Script["answer"] = (call) => call === "statx" ? -ERRNO.ENOENT : undefined;
  const ways: readonly (readonly [Script["answer"], Partial<Pod>?])[] = [
    [byRkt()],
    [fails("openat", 1, "..")],
    [fails("openat", 1, ".")],
    [(call) => call === "getdents64" ? -ERRNO.EACCES : undefined],
    [(call, args) => call === "unlinkat" && args[1] === UUID ? -ERRNO.ENOTEMPTY : undefined],
    [undefined, { cgroups }], // they are still there
    [undefined, {
      network: {
        kind: "joined",
        namespace: 201,
        networks: "default (eth0)",
        tearDown: { messages: [], files: [], command: ["/usr/bin/rkt", "net-teardown"] },
      },
    }],
  ];
  for (const [answer, changes] of ways) {
    const children = changes?.network === undefined ? [CHILD] : [CHILD - 1, CHILD];
    const run = supervisor([INIT, ...children], answer, changes);
    assert.deepEqual(run.end, { kind: "exit", code: 5 });
    assert.deepEqual(callsOf(run, "close_range").at(-1)?.slice(1), [3, 0xffffffff, 0]);
    assert.equal(callsOf(run, "wait4").at(-1)?.[1], CHILD);
  }
  const run = supervisor([INIT], gone, { cgroups });
  assert.equal(callsOf(run, "unlinkat").at(-1)?.[2], UUID);
  assert.deepEqual(callsOf(run, "close_range"), []);
});

Deno.test("a removal that is interrupted is waited for again, one that can't begin changes nothing", () => {
  let interrupted = 0;
  const again = supervisor(
    [INIT, CHILD],
    byRkt((call, [pid]) =>
      call === "wait4" && pid === CHILD && interrupted++ === 0 ? -4 : undefined
    ),
  );
  assert.deepEqual(again.end, { kind: "exit", code: 5 });
  assert.equal(callsOf(again, "wait4").filter(([, pid]) => pid === CHILD).length, 2);
  assert.deepEqual(supervisor([INIT, -11], byRkt()).end, { kind: "exit", code: 5 });
});

Deno.test("rkt itself says nothing but errors while it removes a pod, and is not interrupted", () => {
  const run = supervisor([INIT, 0], byRkt());
  assert.deepEqual(run.end, { kind: "execve", path: COMMAND[0] });
  assert.deepEqual(callsOf(run, "execve"), [["execve", COMMAND[0], COMMAND, []]]);
  assert.deepEqual(callsOf(run, "dup3").slice(-2).map(([, , to]) => to), [0, 1]);
});

Deno.test("a pod that is to be kept is not touched", () => {
  const events = [{ ended: [[INIT, exited(5)]] }] as const;
  const run = runPod(testPod([testApp("app")]), { clones: [INIT], events });
  assert.deepEqual(callsOf(run, "close_range", "getdents64"), []);
  assert.equal(
    callsOf(run, "unlinkat").filter(([, , , flags]) => flags === k.AT_REMOVEDIR).length,
    0,
  );
});
