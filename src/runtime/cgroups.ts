/** The cgroups of OCI containers: made, limited, frozen, emptied, removed, by files of the kernel's. */
import { Failure } from "../failure.ts";
import { cgroupPaths, parseMount } from "../cgroup/hierarchies.ts";
import { processFile } from "../linux/process.ts";
import { errnoName } from "../linux/errno.ts";
import type { CgroupSetting, DeviceAccess } from "./resources.ts";

/** What of cgroups this system has. */
export interface CgroupSystem {
  readonly version: 0 | 1 | 2;
  /** The roots of the hierarchies of version 1 by the names of their controllers. */
  readonly roots: ReadonlyMap<string, string>;
  /** Version 2: where it is mounted; of a system with both versions too. */
  readonly unified?: string | undefined;
  /** The cgroup of this process in a hierarchy, below its root; by the name of a controller, of version 2 by an empty name. */
  own(controller: string): string;
}

const CONTROLLERS = ["cpu", "cpuset", "memory", "pids", "io", "hugetlb", "rdma", "misc"];

/** Finds the hierarchies of cgroups by the mounts that this process sees. */
export function cgroupSystem(
  mounts = processFile("self", "mountinfo") ?? "",
  cgroups = processFile("self", "cgroup") ?? "",
): CgroupSystem {
  const paths = cgroupPaths(cgroups);
  const roots = new Map<string, string>();
  let unified: string | undefined;
  for (const mount of mounts.split("\n").map(parseMount)) {
    if (mount?.type === "cgroup2") unified ??= mount.point;
    if (mount?.type !== "cgroup") continue;
    // Of the options those that are controllers.
    for (const name of mount.options) {
      if (paths.has(name) && !roots.has(name)) roots.set(name, mount.point);
    }
  }
  const version = roots.has("memory") || roots.has("pids") || roots.has("cpu")
    ? 1
    : unified === undefined
    ? 0
    : 2;
  return { version, roots, unified, own: (name) => paths.get(name) ?? "/" };
}

/**
 * Where the cgroups of a container are.
 *
 * @param path `linux.cgroupsPath`: absolute below the root of a hierarchy, else below this process' own cgroup
 * @returns directories by the names of controllers; of version 2 by an empty name
 */
export function cgroupPlaces(
  system: CgroupSystem,
  path: string | undefined,
  id: string,
): Readonly<Record<string, string>> {
  const given = path === undefined || path === "" ? id : path;
  const names = given.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..") || names.length === 0) {
    throw new Failure(
      `config.json: linux.cgroupsPath: ${JSON.stringify(path)} is no path of a cgroup`,
      1,
    );
  }
  const place = (root: string, controller: string) => {
    const above = given.startsWith("/") ? "" : system.own(controller).replace(/\/$/, "");
    return `${root}${above}/${names.join("/")}`;
  };
  if (system.version === 2 && system.unified !== undefined) {
    return { "": place(system.unified, "") };
  }
  return Object.fromEntries([...system.roots].map(([name, root]) => [name, place(root, name)]));
}

/**
 * Makes the cgroups of a container; those that are there already stay as they are.
 *
 * @returns the directories that it has made: whatever else is there is not the container's to remove if it fails
 */
export function makeCgroups(
  system: CgroupSystem,
  places: Readonly<Record<string, string>>,
): readonly string[] {
  const made: string[] = [];
  for (const [controller, path] of Object.entries(places)) {
    const root = controller === "" ? system.unified ?? "" : system.roots.get(controller) ?? "";
    const names = path.slice(root.length + 1).split("/");
    let parent = root;
    for (const [i, name] of names.entries()) {
      if (controller === "") enableControllers(parent);
      const next = `${parent}/${name}`;
      if (make(next) && i === names.length - 1) made.push(next);
      if (controller === "cpuset") inheritCpuset(parent, next);
      parent = next;
      if (i > 100) throw new Failure("the path of the cgroup is too deep", 1);
    }
  }
  return made;
}

/** Whether it was made, and not there. */
function make(path: string): boolean {
  try {
    Deno.mkdirSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw new Failure(`make the cgroup ${path}: ${reason(error)}`, 1, { cause: error });
  }
}

/** A cgroup of version 2 gives its children the controllers that it has itself, where it has no processes. */
function enableControllers(parent: string): void {
  const has = (read(`${parent}/cgroup.controllers`) ?? "").trim().split(" ");
  const given = (read(`${parent}/cgroup.subtree_control`) ?? "").trim().split(" ");
  for (const name of CONTROLLERS) {
    if (!has.includes(name) || given.includes(name)) continue;
    tryWrite(`${parent}/cgroup.subtree_control`, `+${name}`);
  }
}

/** A new cgroup of this hierarchy has no processors and no memory until somebody gives it some. */
function inheritCpuset(parent: string, path: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if ((read(`${path}/${file}`) ?? "x").trim() !== "") continue;
    tryWrite(`${path}/${file}`, (read(`${parent}/${file}`) ?? "").trim());
  }
}

/**
 * Applies settings.
 *
 * @throws {Failure} where one can't be had
 */
export function applySettings(
  places: Readonly<Record<string, string>>,
  settings: readonly CgroupSetting[],
): void {
  for (const setting of orderedForMemory(places, settings)) {
    const { controller, file, text, optional } = setting;
    const place = places[""] ?? places[controller];
    if (place === undefined) {
      if (optional) continue;
      throw new Failure(`${file}: this system has no cgroup controller ${controller}`, 1);
    }
    const path = `${place}/${file}`;
    try {
      Deno.writeTextFileSync(path, text, { create: false });
    } catch (error) {
      if (optional && error instanceof Deno.errors.NotFound) continue;
      throw new Failure(`write ${text} to ${path}: ${reason(error)}`, 1, { cause: error });
    }
  }
}

/** The limit of memory with swap can't be below that without: which of them comes first depends on where they go. */
function orderedForMemory(
  places: Readonly<Record<string, string>>,
  settings: readonly CgroupSetting[],
): readonly CgroupSetting[] {
  const [plain, both] = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
  const limit = settings.find(({ file }) => file === plain);
  const swap = settings.find(({ file }) => file === both);
  if (limit === undefined || swap === undefined) return settings;
  const now = Number(read(`${places.memory}/${plain}`) ?? 0);
  const grows = Number(limit.text) < 0 || Number(limit.text) > now;
  const rest = settings.filter((each) => each !== limit && each !== swap);
  return grows ? [swap, limit, ...rest] : [limit, swap, ...rest];
}

/** Applies rules about devices of version 1, which the kernel keeps in their order. */
export function applyDevices1(place: string | undefined, rules: readonly DeviceAccess[]): void {
  if (place === undefined) return;
  for (const { allow, type, major, minor, access } of rules) {
    const text = type === "a" ? "a" : `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;
    const path = `${place}/devices.${allow ? "allow" : "deny"}`;
    try {
      Deno.writeTextFileSync(path, text, { create: false });
    } catch (error) {
      throw new Failure(`write ${text} to ${path}: ${reason(error)}`, 1, { cause: error });
    }
  }
}

/** Whether the container is frozen. */
export function isFrozen(places: Readonly<Record<string, string>>): boolean {
  const unified = places[""];
  if (unified !== undefined) return (read(`${unified}/cgroup.freeze`) ?? "").trim() === "1";
  const state = (read(`${places.freezer}/freezer.state`) ?? "").trim();
  return state === "FROZEN" || state === "FREEZING";
}

/** How often one looks whether a cgroup is frozen or empty, in milliseconds, and how long. */
const LOOK_EVERY = 5;
const LOOK_AT_MOST = 10_000;

/** Stops all processes of a container where they are, or lets them go on. */
export async function freeze(
  places: Readonly<Record<string, string>>,
  frozen: boolean,
): Promise<void> {
  const unified = places[""];
  const [file, text] = unified !== undefined
    ? [`${unified}/cgroup.freeze`, frozen ? "1" : "0"] as const
    : [`${places.freezer}/freezer.state`, frozen ? "FROZEN" : "THAWED"] as const;
  try {
    Deno.writeTextFileSync(file, text, { create: false });
  } catch (error) {
    throw new Failure(`write ${text} to ${file}: ${reason(error)}`, 1, { cause: error });
  }
  const done = () =>
    unified === undefined
      ? (read(file) ?? text).trim() === text
      : (read(`${unified}/cgroup.events`) ?? "").includes(`frozen ${text}`);
  for (let waited = 0; waited < LOOK_AT_MOST; waited += LOOK_EVERY) {
    if (done()) return;
    if (unified === undefined) tryWrite(file, text);
    await pause();
  }
  throw new Failure(`the container does not get ${frozen ? "frozen" : "thawed"}`, 1);
}

const pause = () => new Promise((done) => setTimeout(done, LOOK_EVERY));

/**
 * Looks whether the cgroups of a container to be have no processes: it would limit, freeze and kill them as its own.
 *
 * @throws {Failure}
 */
export function checkEmpty(places: Readonly<Record<string, string>>): void {
  for (const place of new Set(Object.values(places))) {
    const [pid] = cgroupProcesses({ "": place });
    if (pid === undefined) continue;
    throw new Failure(
      `config.json: linux.cgroupsPath: ${place} has processes of others already, like ${pid}; choose another`,
      1,
    );
  }
}

/** The `cgroup.procs` files of the cgroups that this process is in. */
export function processFiles(system: CgroupSystem): readonly string[] {
  const file = (root: string, name: string) =>
    `${root}${system.own(name).replace(/\/$/, "")}/cgroup.procs`;
  const unified = system.unified === undefined ? [] : [file(system.unified, "")];
  return [...new Set([...unified, ...[...system.roots].map(([name, root]) => file(root, name))])];
}

/** Moves this process into a cgroup, if it may. */
export const moveProcess = (file: string): void => tryWrite(file, `${Deno.pid}`);

/** The PIDs of the processes in a container's cgroups, and below. */
export function cgroupProcesses(places: Readonly<Record<string, string>>): readonly number[] {
  const place = places[""] ?? places.pids ?? places.freezer ?? places.devices ??
    Object.values(places)[0];
  if (place === undefined) return [];
  const found = new Set<number>();
  const visit = (path: string) => {
    for (const line of (read(`${path}/cgroup.procs`) ?? "").split("\n")) {
      if (line !== "" && line !== "0") found.add(Number(line));
    }
    for (const name of directoriesIn(path)) visit(`${path}/${name}`);
  };
  visit(place);
  return [...found].sort((a, b) => a - b);
}

/**
 * Removes the cgroups of a container, and those that it has made itself.
 *
 * @returns those that stay, because they have processes
 */
export async function removeCgroups(
  places: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  let left = [...new Set(Object.values(places))];
  for (let waited = 0; waited < LOOK_AT_MOST; waited += LOOK_EVERY) {
    left = left.filter((path) => !removeTree(path));
    if (left.length === 0) return [];
    await pause();
  }
  return left;
}

function removeTree(path: string): boolean {
  for (const name of directoriesIn(path)) removeTree(`${path}/${name}`);
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function directoriesIn(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  } catch {
    return []; // gone meanwhile
  }
}

/** The text of a file of a cgroup; undefined where there is none. */
export function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function tryWrite(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text, { create: false });
  } catch {
    // What needs it says so.
  }
}

function reason(error: unknown): string {
  const number = /os error (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
  return number === undefined ? String(error) : errnoName(Number(number));
}
