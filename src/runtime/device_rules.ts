/** Which devices an OCI container may use: the rules of its configuration, as a list of what is allowed. */
import { Failure } from "../failure.ts";
import type { AllowedDevice } from "../../stage1/cgroup/devices.ts";
import type { DeviceAccess } from "./resources.ts";

const rule = (
  type: "b" | "c",
  major: number | undefined,
  minor: number | undefined,
  access = "rwm",
): DeviceAccess => ({ allow: true, type, major, minor, access });

/** What every container may use (config-linux.md, "Default Devices"), and nodes of which it may make. */
export const DEFAULT_RULES: readonly DeviceAccess[] = [
  rule("c", undefined, undefined, "m"),
  rule("b", undefined, undefined, "m"),
  rule("c", 1, 3),
  rule("c", 1, 8),
  rule("c", 1, 7),
  rule("c", 5, 0),
  rule("c", 1, 5),
  rule("c", 1, 9),
  rule("c", 136, undefined),
  rule("c", 5, 2),
];

/** All rules in their order: nothing is allowed, but what the configuration or the specification allows. */
export const allRules = (given: readonly DeviceAccess[]): readonly DeviceAccess[] => [
  { allow: false, type: "a", access: "rwm" },
  ...given,
  ...DEFAULT_RULES,
];

/**
 * What a list of rules allows at its end, as the kernel's version 1 would have it.
 *
 * @returns undefined where everything is allowed
 * @throws {Failure} where a part of what is allowed is denied: no list can say that
 */
export function allowedDevices(
  rules: readonly DeviceAccess[],
): readonly AllowedDevice[] | undefined {
  let all = true;
  let allowed: DeviceAccess[] = [];
  for (const each of rules) {
    if (each.type === "a" && each.major === undefined && each.minor === undefined) {
      all = each.allow;
      allowed = [];
    } else if (each.allow) {
      if (!all) allowed.push(each);
    } else if (all) {
      throw new Failure(
        "config.json: linux.resources.devices: everything but some can't be allowed here",
        1,
      );
    } else {
      allowed = allowed.flatMap((one) => withoutAccess(one, each));
    }
  }
  if (all) return undefined;
  return allowed.flatMap(({ type, major, minor, access }) =>
    (type === "a" ? ["b", "c"] as const : [type]).map((kind) => ({
      type: kind === "b" ? "block" as const : "char" as const,
      ...{ major, minor, access },
    }))
  );
}

function withoutAccess(one: DeviceAccess, denied: DeviceAccess): readonly DeviceAccess[] {
  const covers = (wide: number | undefined, narrow: number | undefined) =>
    wide === undefined || wide === narrow;
  const isWithin = (denied.type === "a" || denied.type === one.type) &&
    covers(denied.major, one.major) && covers(denied.minor, one.minor);
  if (!isWithin) {
    const overlaps = (denied.type === one.type || one.type === "a") &&
      covers(one.major, denied.major) && covers(one.minor, denied.minor);
    if (!overlaps) return [one];
    throw new Failure(
      "config.json: linux.resources.devices: a part of what was allowed before can't be denied here",
      1,
    );
  }
  const access = [...one.access].filter((letter) => !denied.access.includes(letter)).join("");
  return access === "" ? [] : [{ ...one, access }];
}
