/** Limits of OCI containers as systemd knows them (systemd.resource-control(5)): properties of units. */
import type { UnitProperty } from "../../dbus/service_manager.ts";
import { variant } from "../../dbus/value.ts";
import { processorMask } from "../processors.ts";
import type { CgroupSetting, DeviceAccess } from "../resources.ts";

/** What systemd takes for no limit: the largest number of 64 bits. */
const INFINITY = 2n ** 64n - 1n;

const amount = (text: string): bigint => text === "max" ? INFINITY : BigInt(text);

/** Files of cgroups of version 2 whose one number is that of a property. */
const NUMBERS: Readonly<Record<string, string>> = {
  "memory.max": "MemoryMax",
  "memory.high": "MemoryHigh",
  "memory.low": "MemoryLow",
  "memory.min": "MemoryMin",
  "memory.swap.max": "MemorySwapMax",
  "cpu.weight": "CPUWeight",
  "pids.max": "TasksMax",
};

/** systemd counts time of processors in steps of 10 ms a second. */
const STEP = 10_000n;
const SECOND = 1_000_000n;

/** Settings of version 2 as properties; those that systemd has none for are only in the files. */
export function limitProperties(settings: readonly CgroupSetting[]): readonly UnitProperty[] {
  return settings.flatMap(({ file, text }): readonly UnitProperty[] => {
    const name = NUMBERS[file];
    if (name !== undefined) return [[name, variant("t", amount(text))]];
    switch (file) {
      case "cpu.max":
        return quota(text);
      case "cpuset.cpus":
        return [["AllowedCPUs", variant("ay", shortMask(text))]];
      case "cpuset.mems":
        return [["AllowedMemoryNodes", variant("ay", shortMask(text))]];
      case "io.weight":
        return [["IOWeight", variant("t", BigInt(text.replace("default ", "")))]];
      default:
        return [];
    }
  });
}

function quota(text: string): readonly UnitProperty[] {
  const [most = "max", period = "100000"] = text.split(" ");
  const each = most === "max" ? INFINITY : BigInt(most) * SECOND / BigInt(period);
  const whole = each === INFINITY ? each : (each + STEP - 1n) / STEP * STEP;
  return [
    ["CPUQuotaPerSecUSec", variant("t", whole)],
    ["CPUQuotaPeriodUSec", variant("t", BigInt(period))],
  ];
}

function shortMask(text: string): Uint8Array {
  const mask = processorMask(text, "resources.cpu");
  return mask.subarray(0, mask.findLastIndex((byte) => byte !== 0) + 1);
}

/**
 * Rules about devices as properties: without them systemd allows all devices again whenever it sets up its units anew. Only what
 * is allowed can be said; what is denied before is.
 *
 * @param rules none of them allows everything, or it is the only one that counts
 */
export function deviceProperties(rules: readonly DeviceAccess[]): readonly UnitProperty[] {
  const allowsAll = rules.some(({ allow, type, major, minor }) =>
    allow && type === "a" && major === undefined && minor === undefined
  );
  if (allowsAll) return [["DevicePolicy", variant("s", "auto")]];
  const allowed = rules.filter(({ allow }) => allow).flatMap(({ type, major, minor, access }) =>
    (type === "a" ? ["b", "c"] as const : [type]).flatMap((kind) => {
      const word = kind === "b" ? "block" : "char";
      if (major === undefined) return minor === undefined ? [[`${word}-*`, access]] : [];
      if (minor !== undefined) return [[`/dev/${word}/${major}:${minor}`, access]];
      const name = driverName(word, major);
      return name === undefined ? [] : [[`${word}-${name}`, access]];
    })
  );
  return [
    ["DevicePolicy", variant("s", "strict")],
    ["DeviceAllow", variant("a(ss)", allowed)],
  ];
}

/** The name of a driver, by which systemd knows all devices of a major number. */
function driverName(kind: "block" | "char", major: number): string | undefined {
  const text = Deno.readTextFileSync("/proc/devices");
  const [characters = "", blocks = ""] = text.split("Block devices:");
  const lines = (kind === "char" ? characters : blocks).split("\n").map((line) => line.trim());
  return lines.find((line) => line.startsWith(`${major} `))?.split(" ")[1];
}
