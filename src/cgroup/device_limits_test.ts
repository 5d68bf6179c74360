import assert from "node:assert/strict";
import {
  DEVICE_LIMITS,
  deviceLimitsText,
  findDisks,
  parseDeviceLimit,
  parseDeviceLimits,
} from "./device_limits.ts";

const parse = (text: string) => parseDeviceLimit("read-bps", text, "--device-read-bps");

Deno.test("rates are quantities, or in podman's units; a path may hold colons", () => {
  const rows: readonly (readonly [text: string, path: string, rate: bigint])[] = [
    ["/dev/sda:1", "/dev/sda", 1n],
    ["/dev/sda:1kb", "/dev/sda", 1024n],
    ["/dev/sda:2mb", "/dev/sda", 2n << 20n],
    ["/dev/sda:3gb", "/dev/sda", 3n << 30n],
    ["/dev/sda:1.5Mi", "/dev/sda", 1_572_864n],
    ["/dev/sda:1M", "/dev/sda", 1_000_000n],
    ["/dev/sda:100m", "/dev/sda", 1n], // a tenth, rounded up
    ["/dev/disk/by-path/pci-0:1,2:10", "/dev/disk/by-path/pci-0:1,2", 10n],
    ["/dev/sda:9223372036854775807", "/dev/sda", (1n << 63n) - 1n],
  ];
  for (const [text, path, rate] of rows) {
    assert.deepEqual(parse(text), { kind: "read-bps", path, rate }, text);
  }
});

Deno.test("what is no limit of a disk is refused in one line", () => {
  const texts = [
    ...["", ":", "/dev/sda", "/dev/sda:", ":1", "sda:1", "dev/sda:1", "/dev/sda:x", "/dev/sda:-1"],
    ...[
      "/dev/sda:0",
      "/dev/sda:1 ",
      "/dev/s\nda:1",
      "/dev/s\0da:1",
      "/dev/sda:1kB",
      "/dev/sda:1kbb",
    ],
    ...["/dev/sda:9223372036854775808", "/dev/sda:1e999", `/dev/sda:${"9".repeat(50)}`, "/a:NaN"],
  ];
  for (const text of texts) {
    assert.throws(
      () => parse(text),
      (error) =>
        error instanceof Error && error.message.startsWith("--device-read-bps: ") &&
        !error.message.includes("\n"),
      JSON.stringify(text),
    );
  }
});

Deno.test("limits outlast a manifest, whatever the paths", () => {
  const limits = DEVICE_LIMITS.flatMap((kind) =>
    ["/dev/sda", "/a b/c:d,e=f", "/dev/read-bps=/dev/x"].map((path, i) => ({
      kind,
      path,
      rate: BigInt(i + 1) << 40n,
    }))
  );
  assert.deepEqual(parseDeviceLimits(deviceLimitsText(limits), "x"), limits);
  assert.throws(
    () => parseDeviceLimits("read=/dev/sda:1", "x"),
    /^Failure: x: "read=.* not one of/,
  );
});

Deno.test("only whole disks of this host can be limited", () => {
  const find = (path: string) => () => findDisks([{ kind: "read-bps", path, rate: 1n }], "app");
  assert.throws(find("/dev/null"), /app: \/dev\/null is not a block device/);
  assert.throws(find("/tmp"), /app: \/tmp is not a block device/);
  assert.throws(find("/dev/none"), /app: there is no \/dev\/none on the host/);
});
