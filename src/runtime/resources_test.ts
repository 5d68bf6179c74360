import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { allowedDevices, allRules } from "./device_rules.ts";
import { readResources, weightOfShares } from "./resources.ts";

const texts = (resources: Record<string, unknown>, version: 1 | 2) =>
  readResources(resources, version).settings.map(({ file, text }) => `${file}=${text}`);

const LIMITS = {
  memory: { limit: 2 ** 26, swap: 2 ** 27, reservation: 2 ** 20 },
  cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: "0-1", mems: "0" },
  pids: { limit: 20 },
  blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] },
  hugepageLimits: [{ pageSize: "2MB", limit: 2 ** 21 }],
};

Deno.test("resources as files of version 1", () => {
  deepStrictEqual(texts(LIMITS, 1), [
    "memory.limit_in_bytes=67108864",
    "memory.memsw.limit_in_bytes=134217728",
    "memory.soft_limit_in_bytes=1048576",
    "cpu.shares=1024",
    "cpu.cfs_period_us=100000",
    "cpu.cfs_quota_us=50000",
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
    "pids.max=20",
    "blkio.throttle.read_bps_device=8:0 1000",
    "hugetlb.2MB.limit_in_bytes=2097152",
    "hugetlb.2MB.rsvd.limit_in_bytes=2097152",
  ]);
});

Deno.test("resources as files of version 2", () => {
  deepStrictEqual(texts(LIMITS, 2), [
    "memory.max=67108864",
    "memory.swap.max=67108864",
    "memory.low=1048576",
    "cpu.weight=39",
    "cpu.max=50000 100000",
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
    "pids.max=20",
    "io.max=8:0 rbps=1000",
    "hugetlb.2MB.max=2097152",
    "hugetlb.2MB.rsvd.max=2097152",
  ]);
  deepStrictEqual(texts({ memory: { limit: -1, swap: -1 }, pids: { limit: -1 } }, 2), [
    "memory.max=max",
    "memory.swap.max=max",
    "pids.max=max",
  ]);
  deepStrictEqual(texts({ cpu: { period: 1000 } }, 2), ["cpu.max=max 1000"]);
});

Deno.test("what is given as version 2 has it comes last, and names files of controllers only", () => {
  const unified = { "memory.high": "1000", "memory.max": "5" };
  deepStrictEqual(texts({ memory: { limit: 9 }, unified }, 2), [
    "memory.max=9",
    "memory.high=1000",
    "memory.max=5",
  ]);
  for (const file of ["cgroup.procs", "../x", "memory", "a/b.c"]) {
    throws(() => texts({ unified: { [file]: "1" } }, 2), /is no file of a controller/, file);
  }
});

Deno.test("shares become weights within their bounds", () => {
  strictEqual(weightOfShares(2), 1);
  strictEqual(weightOfShares(262_144), 10_000);
  strictEqual(weightOfShares(0), 1);
  strictEqual(weightOfShares(10 ** 9), 10_000);
});

Deno.test("numbers that are none are refused", () => {
  const wrong: readonly Record<string, unknown>[] = [
    { memory: { limit: "1" } },
    { memory: 5 },
    { pids: { limit: 1.5 } },
    { hugepageLimits: [{ pageSize: "x/..", limit: 1 }] },
    { devices: [{ allow: true, type: "x" }] },
    { devices: [{ allow: true, access: "rwx" }] },
  ];
  for (const resources of wrong) {
    throws(
      () => readResources(resources, 1),
      /^Failure: config.json: linux.resources/,
      JSON.stringify(resources),
    );
  }
});

Deno.test("devices: nothing but what is allowed, or everything", () => {
  const given = (devices: readonly unknown[]) => readResources({ devices }, 2).devices;
  strictEqual(allowedDevices(given([{ allow: true }])), undefined);
  const some = allowedDevices([
    { allow: false, type: "a", access: "rwm" },
    ...given([{ allow: true, type: "c", major: 10, minor: 229, access: "rw" }]),
  ]);
  deepStrictEqual(some, [{ type: "char", major: 10, minor: 229, access: "rw" }]);
  strictEqual(
    allowedDevices(allRules([]))?.some(({ major, minor }) => major === 1 && minor === 3),
    true,
  );
});

Deno.test("devices: what was allowed can be denied again, but not a part that no list can say", () => {
  const rules = (...denied: readonly unknown[]) => [
    { allow: false, type: "a" as const, access: "rwm" },
    ...readResources({
      devices: [{ allow: true, type: "c", major: 5, minor: 1, access: "rwm" }, ...denied],
    }, 2).devices,
  ];
  deepStrictEqual(
    allowedDevices(rules({ allow: false, type: "c", major: 5, minor: 1, access: "w" })),
    [
      { type: "char", major: 5, minor: 1, access: "rm" },
    ],
  );
  deepStrictEqual(allowedDevices(rules({ allow: false, type: "c", major: 5, access: "rwm" })), []);
  const wide = [
    { allow: false, type: "a" as const, access: "rwm" },
    ...readResources({
      devices: [
        { allow: true, type: "c", major: 5, access: "rwm" },
        { allow: false, type: "c", major: 5, minor: 1, access: "rwm" },
      ],
    }, 2).devices,
  ];
  throws(() => allowedDevices(wide), /can't be denied here/);
});
