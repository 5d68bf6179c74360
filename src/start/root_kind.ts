/** How trees become the roots of apps here. */
import type { PrivateUsers } from "../../stage1/root/pod_users.ts";
import type { RootKind } from "../pod/make/prepare_pod.ts";
import { absolute } from "./absolute.ts";
import type { World } from "./world.ts";

/**
 * overlayfs, where it works over the data directory; else copies. What was found out is remembered there, for as long as
 * kernel and directory stay the same: a copy of the directory may be on another file system.
 *
 * @param wanted false after `--no-overlay`
 * @param users those of the pod, where it has its own
 */
export async function rootKind(
  dataDirectory: string,
  wanted: boolean,
  world: World,
  users?: PrivateUsers,
): Promise<RootKind> {
  if (!wanted) return "copy";
  const kernel = kernelRelease(world);
  if (users !== undefined) {
    const { shiftWorks } = await import("../pod/make/private_users.ts");
    if (!shiftWorks(`${dataDirectory}/cas/skeleton`, users)) return "copy";
  }
  const path = `${absolute(dataDirectory)}/cas/root-kind`;
  const key = `${kernel} ${world.identity(`${absolute(dataDirectory)}/cas`)}\n`;
  const remembered = rememberedKind(path, key, world);
  if (remembered !== undefined) return remembered;
  const { probeRootKind } = await import("./host/probe_root_kind.ts");
  const kind = probeRootKind(dataDirectory, path, key);
  if (rememberedKind(path, key, world) !== kind) world.cannotRepeat(`${path} has changed`);
  return kind;
}

/** The version of the kernel. */
export const kernelRelease = (world: World): string =>
  new TextDecoder().decode(world.content("/proc/sys/kernel/osrelease")).trim();

/** What was found out for a key. A start that finds nothing goes on to find it out. */
export function rememberedKind(path: string, key: string, world: World): RootKind | undefined {
  const kinds = ["overlay", "copy"] as const;
  return kinds[world.oneOf(path, kinds.map((kind) => `${kind} ${key}`))];
}
