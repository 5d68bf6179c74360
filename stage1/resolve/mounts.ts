/** Where volumes are mounted in an app's root: links of the image followed, parents before what is mounted in them. */
import type { App } from "../../src/appc/app.ts";
import type { Volume } from "../../src/appc/volume.ts";
import { Failure } from "../../src/failure.ts";
import { byDescriptor } from "./by_descriptor.ts";
import type { AppMount } from "../pod.ts";
import { isBelow } from "../root/mount_policy.ts";
import type { ImageRoot } from "./user.ts";

/** A volume, and where in an app it is wanted. */
export interface WantedMount {
  readonly volume: Volume;
  /** As the manifest has it. */
  readonly target: string;
}

/**
 * Resolves the mounts of an app.
 *
 * @param emptyVolume where an empty volume is, relative to the pod's directory
 * @returns in the order in which they are to be mounted
 * @throws {Failure} a source that is not there, a target that can't be had, two at one place
 */
export function resolveMounts(
  app: App,
  name: string,
  wanted: readonly WantedMount[],
  root: ImageRoot,
  emptyVolume: (name: string) => string,
): readonly AppMount[] {
  const mounts = wanted.map(({ volume, target }): Omit<AppMount, "inside"> => {
    const point = app.mountPoints.find(({ path }) => path === target);
    const common = {
      volume: volume.name,
      target,
      place: placeOf(root, name, target),
      readOnly: volume.readOnly ?? point?.readOnly ?? false,
    };
    if (volume.kind === "empty") {
      const source = emptyVolume(volume.name);
      return { ...common, source, recursive: false, directory: true };
    }
    const source = hostSource(name, volume.name, volume.source);
    return {
      ...common,
      source: volume.source,
      recursive: volume.recursive ?? true,
      directory: source.isDirectory,
      ...deviceOf(source, common.readOnly),
    };
  });
  return inOrder(name, mounts);
}

/** By their places: a mount comes before what is mounted in it. */
function inOrder(app: string, mounts: readonly Omit<AppMount, "inside">[]): readonly AppMount[] {
  const sorted = mounts.toSorted((a, b) => a.place < b.place ? -1 : a.place > b.place ? 1 : 0);
  return sorted.map((mount, i) => {
    const other = sorted[i + 1];
    if (other?.place === mount.place) {
      const place = mount.target === other.target
        ? mount.place
        : `${mount.place}, where ${[mount.target, other.target].sort().join(" and ")} lead`;
      throw new Failure(
        `app "${app}": the volumes "${mount.volume}" and "${other.volume}" are both to be mounted at ${place}`,
      );
    }
    return { ...mount, inside: sorted.some(({ place }) => isBelow(mount.place, place)) };
  });
}

/** Links that are followed at most, as by the kernel (`MAXSYMLINKS`, include/linux/namei.h). */
const MOST_LINKS = 40;

/** The place that a target leads to in the app's root. What is missing is made there when it is mounted. */
function placeOf(root: ImageRoot, app: string, target: string): string {
  const left = target.split("/").reverse();
  const found: string[] = [];
  for (let links = 0; left.length > 0;) {
    const name = left.pop() ?? "";
    if (name === "" || name === ".") continue;
    if (name === "..") found.pop();
    else {
      const link = root.known ? root.link([...found, name].join("/")) : undefined;
      if (link === undefined) found.push(name);
      else {
        if (++links > MOST_LINKS) {
          throw new Failure(`app "${app}": the mount target ${target} is a circle of links`);
        }
        if (link.startsWith("/")) found.length = 0;
        left.push(...link.split("/").reverse());
      }
    }
  }
  const place = `/${found.join("/")}`;
  if (place === "/" || place === "/proc" || isBelow(place, "/proc")) {
    const leads = place === target ? "" : `, which leads to ${place}`;
    throw new Failure(
      `app "${app}": no volume can be mounted on ${target}${leads}; rkt itself provides it`,
    );
  }
  return place;
}

function hostSource(app: string, volume: string, source: string): Deno.FileInfo {
  try {
    return byDescriptor(source, Deno.statSync);
  } catch (error) {
    throw new Failure(`app "${app}": volume "${volume}": ${whyMissing(source, error)}`, 254, {
      cause: error,
    });
  }
}

/** What is the matter with a source: the first of its parents that is not there, or is no directory. */
function whyMissing(source: string, error: unknown): string {
  const names = source.split("/").filter((name) => name !== "");
  for (let i = 1; i <= names.length; i++) {
    const path = `/${names.slice(0, i).join("/")}`;
    const of = i < names.length ? `, a parent of ${source}` : "";
    try {
      if (Deno.statSync(path).isDirectory || i === names.length) continue;
      return `on the host, ${path}${of}, is not a directory; name another source`;
    } catch (reason) {
      if (!(reason instanceof Deno.errors.NotFound)) break;
      if (isLink(path)) return `on the host, ${path}${of} is a link that leads nowhere`;
      return `there is no ${path} on the host${of}; make it, or name another source`;
    }
  }
  const why = error instanceof Error ? error.message : String(error);
  return `${source} can't be looked at: ${why}`;
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

/** What the app may do with a device that was given to it. `rdev` is laid out as in include/linux/kdev_t.h. */
function deviceOf(
  { isCharDevice, isBlockDevice, rdev }: Deno.FileInfo,
  readOnly: boolean,
): Pick<AppMount, "device"> {
  if (rdev === null || !(isCharDevice || isBlockDevice)) return {};
  const type = isCharDevice ? "char" : "block";
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return { device: { type, major: (rdev >>> 8) & 0xfff, minor, access: readOnly ? "r" : "rw" } };
}
