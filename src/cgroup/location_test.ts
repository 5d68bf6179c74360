import assert from "node:assert/strict";
import { findLocation, type Limited, type System } from "./location.ts";

const MOUNT = "/sys/fs/cgroup";
const ALL = "cpuset cpu io memory hugetlb pids rdma misc";

/** A system of version 2. `files` are by path below the mount point. */
function second(
  path: string,
  files: Readonly<Record<string, string>>,
  { delegated = [] as readonly string[], errno = 0 } = {},
): System {
  const all: Readonly<Record<string, string>> = {
    "/cgroup.controllers": ALL,
    "/cgroup.subtree_control": "memory pids",
    ...files,
  };
  return {
    hierarchies: { version: 2, own: new Map(), unified: { mount: MOUNT, path } },
    words: (file) => (all[file.slice(MOUNT.length)] ?? "").split(" ").filter((word) => word !== ""),
    exists: (file) => file !== `${MOUNT}/cgroup.type`,
    writable: () => errno,
    delegated: (directory) => delegated.includes(directory.slice(MOUNT.length)),
    disks: () => ["8:0"],
    pid: 7,
    limitsDevices: true,
  };
}

const none: readonly Limited[] = [{ who: 'app "a"', limits: {} }];
const memory: readonly Limited[] = [{ who: 'app "a"', limits: { memory: 1n << 30n } }];
const both: readonly Limited[] = [{ who: 'app "a"', limits: { memory: 1n << 30n, cpu: 500n } }];

Deno.test("where apps may be added later, the location has room for what they may want", () => {
  const unit = "/system.slice/x.service";
  const files = {
    [`${unit}/cgroup.procs`]: "7",
    [`${unit}/cgroup.controllers`]: "cpu memory pids",
  };
  const system = second(unit, files, { delegated: [unit] });
  const { location, warnings } = findLocation([], system, ["memory", "cpu", "blkio"]);
  assert.deepEqual(warnings, []);
  assert.equal(location?.leaf, `${MOUNT}${unit}/supervisor`);
  assert.deepEqual(location?.bases[0]?.controllers, ["memory", "cpu", "devices"]);
  const crowded = second(unit, { ...files, [`${unit}/cgroup.procs`]: "6 7" });
  const beside = findLocation([], crowded, ["memory"]);
  assert.deepEqual(beside.warnings, [], "nobody has asked for a limit yet");
  assert.deepEqual(beside.location?.bases[0]?.controllers, ["devices"]);
});

Deno.test("limits of disks bring the controller of memory, so that what is written later counts", () => {
  const unit = "/u.service";
  const files = { [`${unit}/cgroup.procs`]: "7", [`${unit}/cgroup.controllers`]: ALL };
  const system = second(unit, files, { delegated: [unit] });
  const { location } = findLocation([{ who: 'app "a"', limits: { iops: 5n } }], system);
  assert.deepEqual(location?.bases[0]?.controllers, ["blkio", "memory", "devices"]);
});

Deno.test("without limits the pod's cgroup is below the own one, whoever else is there", () => {
  const { location, warnings } = findLocation(
    none,
    second("/s.scope", { "/s.scope/cgroup.procs": "1 7" }),
  );
  assert.deepEqual(warnings, []);
  assert.deepEqual(location, {
    version: 2,
    bases: [{ path: `${MOUNT}/s.scope`, controllers: ["devices"] }],
    enable: [],
    disks: [],
  });
});

Deno.test("alone in a unit, the supervisor moves into a leaf, and the unit gets the controllers", () => {
  const unit = "/system.slice/x.service";
  const files = {
    [`${unit}/cgroup.procs`]: "7",
    [`${unit}/cgroup.controllers`]: "cpu memory pids",
    "/system.slice/cgroup.subtree_control": "memory pids",
  };
  const { location, warnings } = findLocation(both, second(unit, files, { delegated: [unit] }));
  assert.deepEqual(warnings, []);
  assert.equal(location?.leaf, `${MOUNT}${unit}/supervisor`);
  assert.deepEqual(location?.bases, [
    { path: `${MOUNT}${unit}`, controllers: ["memory", "cpu", "devices"] },
  ]);
  assert.deepEqual(location?.enable, [[`${MOUNT}${unit}/cgroup.subtree_control`, "+memory +cpu"]]);
});

Deno.test("without delegation controllers are asked for from the top", () => {
  const unit = "/system.slice/x.service";
  const files = {
    [`${unit}/cgroup.procs`]: "7",
    "/system.slice/cgroup.subtree_control": "memory pids",
  };
  const { location } = findLocation(both, second(unit, files));
  assert.deepEqual(location?.enable, [
    [`${MOUNT}/cgroup.subtree_control`, "+cpu"],
    [`${MOUNT}/system.slice/cgroup.subtree_control`, "+cpu"],
    [`${MOUNT}${unit}/cgroup.subtree_control`, "+memory +cpu"],
  ]);
});

Deno.test("a pod with limits stands beside the scope of a session, which has a shell in it", () => {
  const slice = "/user.slice/user-0.slice";
  const files = { [`${slice}/session-1.scope/cgroup.procs`]: "1 7" };
  const { location, warnings } = findLocation(memory, second(`${slice}/session-1.scope`, files));
  assert.deepEqual(warnings, []);
  assert.equal(location?.bases[0]?.path, `${MOUNT}${slice}`);
  assert.equal(location?.leaf, undefined);
});

Deno.test("where others are in the unit, the limit has no effect, and that is said", () => {
  const unit = "/system.slice/x.service";
  for (const delegated of [[], [unit]]) {
    const system = second(unit, { [`${unit}/cgroup.procs`]: "6 7" }, { delegated });
    const { location, warnings } = findLocation(memory, system);
    assert.deepEqual(location?.bases, [{ path: `${MOUNT}${unit}`, controllers: ["devices"] }]);
    const [warning = "", ...others] = warnings;
    assert.deepEqual(others, []);
    assert.match(
      warning,
      /^app "a": isolator resource\/memory has no effect: .*x\.service has other processes; start/,
    );
  }
});

Deno.test("in a leaf of a delegated cgroup the pod stands beside the leaf", () => {
  const files = {
    "/u.service/manager/cgroup.procs": "6 7",
    "/u.service/cgroup.controllers": ALL,
    "/u.service/cgroup.subtree_control": "memory",
  };
  const { location } = findLocation(
    memory,
    second("/u.service/manager", files, { delegated: ["/u.service"] }),
  );
  assert.equal(location?.bases[0]?.path, `${MOUNT}/u.service`);
  assert.deepEqual(location?.enable, []);
});

Deno.test("the top of all cgroups may have both processes and controllers", () => {
  const { location } = findLocation(memory, second("", { "/cgroup.procs": "1 2 7" }));
  assert.deepEqual(location?.bases, [{ path: MOUNT, controllers: ["memory", "devices"] }]);
  assert.equal(location?.leaf, undefined);
});

Deno.test("a controller that was not delegated is missed", () => {
  const unit = "/x.service";
  const files = { [`${unit}/cgroup.procs`]: "7", [`${unit}/cgroup.controllers`]: "memory" };
  const { location, warnings } = findLocation(both, second(unit, files, { delegated: [unit] }));
  assert.deepEqual(location?.bases[0]?.controllers, ["memory", "devices"]);
  assert.deepEqual(warnings, [
    'app "a": isolator resource/cpu has no effect: this system has no controller for it (cpu)',
  ]);
});

Deno.test("a read-only hierarchy is as none", () => {
  const { location, warnings } = findLocation(memory, second("/x", {}, { errno: 30 }));
  assert.equal(location, undefined);
  const [warning = "", ...others] = warnings;
  assert.deepEqual(others, []);
  assert.match(warning, /resource\/memory has no effect: .* is mounted read-only$/);
});

/** A system of version 1. */
function first(own: Readonly<Record<string, string>>, unwritable: readonly string[] = []): System {
  return {
    hierarchies: { version: 1, own: new Map(Object.entries(own)) },
    words: () => [],
    exists: () => true,
    writable: (path) => unwritable.includes(path) ? 13 : 0,
    delegated: () => false,
    disks: () => ["8:0"],
    pid: 7,
    limitsDevices: true,
  };
}

Deno.test("version 1: a directory for each hierarchy that is needed", () => {
  const system = first({ devices: "/d", memory: "/m/own", cpu: "/c", pids: "/p" });
  assert.deepEqual(findLocation(none, system).location?.bases, [{
    path: "/d",
    controllers: ["devices"],
  }]);
  assert.deepEqual(findLocation(both, system).location?.bases, [
    { path: "/d", controllers: ["devices"] },
    { path: "/m/own", controllers: ["memory"] },
    { path: "/c", controllers: ["cpu"] },
  ]);
});

Deno.test("version 1: what is not mounted or not rkt's to write has no effect", () => {
  const { location, warnings } = findLocation(both, first({ memory: "/m", cpu: "/c" }, ["/c"]));
  assert.deepEqual(location?.bases, [{ path: "/m", controllers: ["memory"] }]);
  assert.deepEqual(warnings, [
    'app "a": isolator resource/cpu has no effect: rkt may not write to /c',
  ]);
});

Deno.test("no cgroups at all: a line for each limit without effect", () => {
  const system = { ...first({}), hierarchies: { version: 0 as const, own: new Map() } };
  assert.deepEqual(findLocation(none, system), { warnings: [] });
  assert.deepEqual(findLocation(memory, system).warnings, [
    'app "a": isolator resource/memory has no effect: no cgroup file system is mounted',
  ]);
});

Deno.test("who may not limit devices gets cgroups without that, also with limits", () => {
  const unit = "/user.slice/x.scope";
  const files = {
    [`${unit}/cgroup.procs`]: "7",
    [`${unit}/cgroup.controllers`]: "cpu memory pids",
  };
  const system = { ...second(unit, files, { delegated: [unit] }), limitsDevices: false };
  const controllers = (wanting: readonly Limited[]) =>
    findLocation(wanting, system).location?.bases.map((base) => base.controllers);
  assert.deepEqual(controllers(none), [[]]);
  assert.deepEqual(controllers(memory), [["memory"]]);
});

Deno.test("a reason that the caller knows is the one that is said; a user is told that he was not given a controller", () => {
  const unit = "/u.scope";
  const files = { [`${unit}/cgroup.procs`]: "7", [`${unit}/cgroup.controllers`]: "pids" };
  const system = { ...second(unit, files, { delegated: [unit] }), limitsDevices: false };
  const said = (reason?: string) => findLocation(memory, system, [], reason).warnings;
  assert.match(said("no systemd")[0] ?? "", /has no effect: no systemd$/);
  assert.match(
    said()[0] ?? "",
    /the user was not given the controller memory \(Delegate= of user@\.service\)$/,
  );
});
