/**
 * Cgroups that systemd makes (`--systemd-cgroup`): a scope for each container. systemd makes a scope of processes that are there,
 * so the runtime's process goes in, and back when init is there (stage1/container/create.ts).
 */
import { isHostRoot, ownUserMap } from "../../linux/own_users.ts";
import { variant } from "../../dbus/value.ts";
import { Failure } from "../../failure.ts";
import { type ManagerOwner, ServiceManager } from "../../dbus/service_manager.ts";
import { cgroupPlaces, type CgroupSystem, moveProcess, processFiles } from "../cgroups.ts";
import type { CgroupSetting, DeviceAccess } from "../resources.ts";
import { deviceProperties, limitProperties } from "./systemd_properties.ts";

/** The unit of a container. */
export interface ScopeName {
  readonly slice: string;
  /** With `.scope`. */
  readonly unit: string;
}

/**
 * The unit that `linux.cgroupsPath` names: `SLICE:PREFIX:NAME`, as engines write it for this manager.
 *
 * @throws {Failure} it is none
 */
export function scopeName(path: string | undefined, id: string): ScopeName {
  const given = path === undefined || path === "" ? `:rkt-oci:${id}` : path;
  const [slice = "", prefix = "", name = "", more] = given.split(":");
  const parts = [slice, prefix, name];
  const isNone = name === "" || more !== undefined || parts.some((each) => !NAME.test(each)) ||
    slice !== "" && !slice.endsWith(".slice");
  if (isNone) {
    throw new Failure(
      `config.json: linux.cgroupsPath: ${
        JSON.stringify(path)
      } is not of the form SLICE:PREFIX:NAME, as systemd's cgroups need it`,
      1,
    );
  }
  const whole = prefix === "" ? name : `${prefix}-${name}`;
  return {
    slice: slice === "" ? (isHostRoot() ? "system.slice" : "user.slice") : slice,
    unit: whole.endsWith(".scope") ? whole : `${whole}.scope`,
  };
}

/** What names of units are made of (systemd.unit(5)). */
const NAME = /^[A-Za-z0-9:_.\\-]*$/;

/** The cgroup that a unit will have: the names of a slice tell where it is (systemd.slice(5)). */
export function expectedPath({ slice, unit }: ScopeName): string {
  const names = slice === "-.slice" ? [] : slice.replace(/\.slice$/, "").split("-");
  const above = names.map((_, i) => `${names.slice(0, i + 1).join("-")}.slice`);
  return ["", ...above, unit].join("/");
}

/** Whose systemd makes it: root's is the host's, and who is root of a namespace is some user of the host's. */
const owner = (): ManagerOwner =>
  isHostRoot() ? "system" : Number(ownUserMap().trim().split(/\s+/)[1] ?? Deno.uid());

/** Does something with systemd; what it says ends the command as engines expect. */
async function withManager<T>(act: (systemd: ServiceManager) => Promise<T>): Promise<T> {
  try {
    using systemd = await ServiceManager.open(owner());
    if (systemd !== undefined) return await act(systemd);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(error.message, 1, { cause: error });
  }
  throw new Failure("--systemd-cgroup: no systemd runs here; use the cgroupfs manager", 1);
}

/** A scope with this process in it. */
export interface MadeScope {
  readonly cgroups: Readonly<Record<string, string>>;
  /** Where this process was before: the `cgroup.procs` files. */
  readonly before: readonly string[];
}

/** Makes a scope, with limits that systemd knows of. This process is in it then. */
export async function makeScope(
  { slice, unit }: ScopeName,
  system: CgroupSystem,
  id: string,
  limits: {
    readonly settings: readonly CgroupSetting[];
    readonly devices: readonly DeviceAccess[];
  },
): Promise<MadeScope> {
  const before = processFiles(system);
  const properties = [
    ["DefaultDependencies", variant("b", false)] as const,
    ...limitProperties(limits.settings),
    ...isHostRoot() ? deviceProperties(limits.devices) : [],
  ];
  const path = await withManager(async (systemd) => {
    const description = `OCI container ${id}`;
    const pids = [Deno.pid];
    await systemd.startTransientScope({
      ...{ name: unit, description, pids, slice, delegate: true, properties },
    });
    return await systemd.controlGroup(unit, "Scope");
  });
  if (!path.startsWith("/")) throw new Failure(`systemd: ${unit} has no cgroup`, 1);
  return { cgroups: cgroupPlaces(system, path, id), before };
}

/** Takes a scope away in which this process may be. */
export async function unmakeScope(unit: string, before: readonly string[]): Promise<void> {
  for (const file of before) moveProcess(file);
  await stopScope(unit);
}

/** Takes a scope away; where no systemd runs any more there is none. */
export async function stopScope(unit: string): Promise<void> {
  using systemd = await ServiceManager.open(owner());
  await systemd?.stopUnit(unit);
}

/** Tells systemd of limits that have changed, so that it sets them when it sets all again. */
export async function changeScope(
  unit: string,
  settings: readonly CgroupSetting[],
): Promise<void> {
  const properties = limitProperties(settings);
  if (properties.length === 0) return;
  await withManager((systemd) => systemd.setUnitProperties(unit, properties));
}
