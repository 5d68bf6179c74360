import { nth } from "../testing/nth.ts";
import assert from "node:assert/strict";
import { isolator } from "../../src/appc/isolator.ts";
import { type Controller, LIMITS, type Limits, limitsOf } from "../../src/cgroup/limits.ts";
import type { CgroupLocation } from "../../src/cgroup/location.ts";
import { cpuWeight, settings } from "./cgroup_settings.ts";

const ALL: readonly (Controller | "devices")[] = ["memory", "cpu", "pids", "blkio", "devices"];

const location = (version: 1 | 2, disks: readonly string[] = ["8:0"]): CgroupLocation => ({
  version,
  bases: [{ path: "/c", controllers: ALL }],
  enable: [],
  disks,
});

/** What is written, as `FILE=TEXT`. */
function written(version: 1 | 2, limits: Limits, controllers = ALL, disks?: string[]): string[] {
  return settings(location(version, disks), { path: "/c", controllers }, limits)
    .map(({ file, text }) => `${file}=${text}`);
}

const disk = { path: "/dev/x", disk: "8:0", rate: 5n } as const;

/** Every limit in both versions. */
const ROWS: readonly (readonly [limits: Limits, first: string[], second: string[]])[] = [
  [{}, [], []],
  [
    { memory: 1024n },
    ["memory.limit_in_bytes=1024", "memory.memsw.limit_in_bytes=1024"],
    ["memory.max=1024", "memory.swap.max=0", "memory.oom.group=1"],
  ],
  [
    { memory: 1024n, swap: 6n },
    ["memory.limit_in_bytes=1024", "memory.memsw.limit_in_bytes=1030"],
    ["memory.max=1024", "memory.swap.max=6", "memory.oom.group=1"],
  ],
  [{ swap: 6n }, [], []],
  [
    { cpu: 1500n },
    ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000"],
    ["cpu.max=150000 100000"],
  ],
  // Less than the kernel takes.
  [{ cpu: 1n }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=1000"], ["cpu.max=1000 100000"]],
  // More than it takes.
  [
    { cpu: 1n << 62n },
    ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=17592186044415"],
    ["cpu.max=17592186044415 100000"],
  ],
  [{ cpuShares: 512 }, ["cpu.shares=512"], ["cpu.weight=50"]],
  [{ pids: 7 }, ["pids.max=7"], ["pids.max=7"]],
  [{ ioWeight: 77 }, ["blkio.bfq.weight=77"], ["io.weight=default 77"]],
  [{ ioWeight: 9999 }, ["blkio.bfq.weight=1000"], ["io.weight=default 9999"]],
  [
    { ioBandwidth: 9n },
    ["blkio.throttle.read_bps_device=8:0 9", "blkio.throttle.write_bps_device=8:0 9"],
    ["io.max=8:0 rbps=9 wbps=9"],
  ],
  [
    { iops: 9n },
    ["blkio.throttle.read_iops_device=8:0 9", "blkio.throttle.write_iops_device=8:0 9"],
    ["io.max=8:0 riops=9 wiops=9"],
  ],
  [
    {
      devices: [
        { ...disk, kind: "read-bps" },
        { ...disk, kind: "write-bps" },
        { ...disk, kind: "read-iops" },
        { ...disk, kind: "write-iops", disk: "259:3" },
      ],
    },
    [
      "blkio.throttle.read_bps_device=8:0 5",
      "blkio.throttle.write_bps_device=8:0 5",
      "blkio.throttle.read_iops_device=8:0 5",
      "blkio.throttle.write_iops_device=259:3 5",
    ],
    ["io.max=8:0 rbps=5", "io.max=8:0 wbps=5", "io.max=8:0 riops=5", "io.max=259:3 wiops=5"],
  ],
];

Deno.test("limits are written to the files of both versions", () => {
  for (const [limits, first, second] of ROWS) {
    assert.deepEqual(written(1, limits), first);
    assert.deepEqual(written(2, limits), second);
  }
});

Deno.test("only limits of controllers that are there are written", () => {
  const everything: Limits = Object.assign({}, ...ROWS.map(([limits]) => limits));
  assert.deepEqual(Object.keys(everything).sort(), [...LIMITS].sort());
  for (const version of [1, 2] as const) {
    assert.deepEqual(written(version, everything, ["devices"]), []);
    const parts = ALL.flatMap((name) => written(version, everything, [name]));
    assert.deepEqual(parts.sort(), written(version, everything).sort());
    const prefix = /^(memory|pids)\./;
    assert.ok(written(version, everything, ["memory", "pids"]).every((each) => prefix.test(each)));
  }
});

Deno.test("a limit of all disks has a line for each, and an error only where one was named", () => {
  const disks = ["8:0", "253:0"];
  assert.deepEqual(written(2, { ioBandwidth: 1n }, ALL, disks), [
    "io.max=8:0 rbps=1 wbps=1",
    "io.max=253:0 rbps=1 wbps=1",
  ]);
  assert.deepEqual(written(1, { iops: 1n }, ALL, []), []);
  for (const version of [1, 2] as const) {
    const list = (limits: Limits) =>
      settings(location(version), { path: "/c", controllers: ALL }, limits)
        .map(({ warning }) => warning !== undefined);
    assert.ok(list({ ioBandwidth: 1n, iops: 1n, ioWeight: 1 }).every((warns) => warns));
    assert.deepEqual(list({ devices: [{ ...disk, kind: "read-bps" }] }), [false]);
    assert.deepEqual(list({ memory: 1n }), version === 1 ? [false, true] : [false, true, false]);
  }
});

Deno.test("cpuWeight() keeps proportions within what the kernel takes", () => {
  const rows = [[1024, 100], [2048, 200], [512, 50], [2, 1], [0, 1], [262_144, 10_000]] as const;
  for (const [shares, weight] of rows) assert.equal(cpuWeight(shares), weight);
  let before = 0;
  for (let shares = 2; shares <= 262_144; shares += 97) {
    const weight = cpuWeight(shares);
    assert.ok(weight >= before && weight >= 1 && weight <= 10_000, `${shares}`);
    before = weight;
  }
});

/** Quantities that an image may hold. */
function hostileQuantity(random: (below: number) => number): string {
  const digits = () => String(random(10 ** (1 + random(9))));
  const suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Ei", "e9", "E-30"];
  const fraction = random(2) === 0 ? "" : `.${digits()}`;
  return `${["", "-", "+"][random(3)]}${digits()}${fraction}${suffixes[random(suffixes.length)]}`;
}

Deno.test("whatever quantity an image names: it is refused, or the kernel gets whole numbers", () => {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48_271) % 0x7fffffff) % below;
  const names = [
    "resource/memory",
    "resource/cpu",
    "resource/block-bandwidth",
    "resource/block-iops",
  ];
  let taken = 0;
  for (let i = 0; i < 4000; i++) {
    const text = hostileQuantity(random);
    const name = nth(names, random(names.length));
    let limits: Limits;
    try {
      const value = name.startsWith("resource/block")
        ? { default: true, limit: text }
        : { limit: text };
      limits = limitsOf([isolator(name, value, "x")]);
    } catch (error) {
      assert.ok(error instanceof Error && !error.message.includes("\n"));
      continue;
    }
    taken++;
    for (const version of [1, 2] as const) {
      for (const line of written(version, limits)) {
        const value = line.slice(line.indexOf("=") + 1);
        const numbers = value.split(/[ =]/).filter((word) => !/^([rw](bps|iops)|8:0)$/.test(word));
        assert.ok(numbers.length > 0, line);
        for (const number of numbers) {
          assert.match(number, /^\d+$/, `${text}: ${line}`);
          assert.ok(BigInt(number) < 1n << 64n, `${text}: ${line}`);
        }
      }
    }
  }
  assert.ok(taken > 500, `${taken}`);
});
