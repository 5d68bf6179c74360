/** The fields of a route that came with CNI 1.1: `mtu`, `advmss`, `priority`, `table`, `scope`. */
import { field, integer, type JsonObject, optional } from "../../appc/json_value.ts";
import type { RouteDetails } from "../model/cni.ts";

/** The greatest values, as the kernel has them (include/uapi/linux/rtnetlink.h): 32 bits, and 8 for a scope. */
const MOST = {
  mtu: 0xffff_ffff,
  advmss: 0xffff_ffff,
  priority: 0xffff_ffff,
  table: 0xffff_ffff,
  scope: 255,
} as const;

const NAMES = ["mtu", "advmss", "priority", "table", "scope"] as const;

/**
 * Reads them.
 *
 * @param at where the route stands, for errors
 * @throws {AppcError} a value that is no number of its size
 */
export function routeDetails(route: JsonObject, at: string): RouteDetails {
  const entries = NAMES.flatMap((name) => {
    const value = optional(
      route[name],
      field(at, name),
      (each, where) => integer(each, where, 0, MOST[name]),
    );
    // Go writes 0 for what is not given; a scope and a table are left out there.
    return value === undefined || (value === 0 && name !== "scope") ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

/** What a route has of them. */
export function detailsOf({ mtu, advmss, priority, table, scope }: RouteDetails): RouteDetails {
  return {
    ...mtu !== undefined && { mtu },
    ...advmss !== undefined && { advmss },
    ...priority !== undefined && { priority },
    ...table !== undefined && { table },
    ...scope !== undefined && { scope },
  };
}
