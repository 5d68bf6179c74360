/** Changes what an OCI container may use: `update`. */
import type { JsonObject } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { applySettings } from "./cgroups.ts";
import type { FoundContainer } from "./container_directory.ts";
import { readResources } from "./resources.ts";
import { statusOf } from "./container_directory.ts";

/** Flags of `update`: the part and the field of the resources that each of them sets. */
const FLAGS: Readonly<Record<string, readonly [part: string, name: string]>> = {
  memory: ["memory", "limit"],
  "memory-swap": ["memory", "swap"],
  "memory-reservation": ["memory", "reservation"],
  "kernel-memory-tcp": ["memory", "kernelTCP"],
  "cpu-share": ["cpu", "shares"],
  "cpu-shares": ["cpu", "shares"],
  "cpu-period": ["cpu", "period"],
  "cpu-quota": ["cpu", "quota"],
  "cpu-idle": ["cpu", "idle"],
  "cpu-burst": ["cpu", "burst"],
  "cpuset-cpus": ["cpu", "cpus"],
  "cpuset-mems": ["cpu", "mems"],
  "pids-limit": ["pids", "limit"],
  "blkio-weight": ["blockIO", "weight"],
};

/**
 * The resources that flags ask for.
 *
 * @param flag the value of a flag
 * @throws {Failure}
 */
export function updateResources(flag: (name: string) => string | undefined): JsonObject {
  const parts: Record<string, Record<string, unknown>> = {};
  for (const [name, [part, field]] of Object.entries(FLAGS)) {
    const text = flag(name);
    if (text === undefined) continue;
    const value = field === "cpus" || field === "mems" ? text : amount(name, text);
    parts[part] = { ...parts[part], [field]: value };
  }
  return parts;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function amount(name: string, text: string): number {
  const [, digits, unit = ""] = /^(-?\d{1,18})([bkmg]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new Failure(`--${name}: ${JSON.stringify(text)} is not a number`, 1);
  }
  return Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
}

/**
 * Applies them. Rules about devices are passed over, as runc does: engines hand in those of the configuration, without the ones
 * that every container has, and a process may be at work that needs the others.
 */
export async function updateContainer(
  container: FoundContainer,
  resources: JsonObject,
): Promise<void> {
  if (statusOf(container) === "stopped") throw new Failure("container not running", 1);
  const { cgroups, unit } = container.record;
  const version = cgroups[""] === undefined ? 1 : 2;
  const { settings } = readResources(resources, version);
  if (unit !== undefined) {
    const { changeScope } = await import("./scope/systemd_scope.ts");
    await changeScope(unit, version === 2 ? settings : readResources(resources, 2).settings);
  }
  applySettings(cgroups, settings);
}
