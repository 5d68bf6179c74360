import assert from "node:assert/strict";
import { findHierarchies } from "./hierarchies.ts";

const FIRST = `25 24 0:22 / /sys/fs/cgroup tmpfs rw - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;

Deno.test("findHierarchies() finds the own cgroup of each controller of version 1", () => {
  const cgroups = "4:memory:/a/b:c\n3:cpu,cpuacct:/\n2:pids:/x\n1:name=systemd:/s\n0::/u\n";
  const { version, own, unified } = findHierarchies(cgroups, FIRST);
  assert.equal(version, 1);
  assert.equal(own.get("memory"), "/sys/fs/cgroup/memory/a/b:c");
  assert.equal(own.get("cpu"), "/sys/fs/cgroup/cpu,cpuacct");
  assert.equal(own.get("pids"), undefined, "it is not mounted");
  assert.equal(unified, undefined);
});

Deno.test("findHierarchies() takes version 2 where version 1 has no controllers", () => {
  const mounts =
    "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n" +
    "31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
  const { version, unified } = findHierarchies("0::/system.slice/x.service\n", mounts);
  assert.equal(version, 2);
  assert.deepEqual(unified, { mount: "/sys/fs/cgroup", path: "/system.slice/x.service" });
  assert.deepEqual(findHierarchies("0::/\n", mounts).unified?.path, "");
});

Deno.test("findHierarchies() in a container: what is mounted is the container's cgroup", () => {
  const mounts = "27 25 0:24 /docker/1\\0402 /sys/fs/cg\\040 ro - cgroup cgroup rw,memory\n";
  assert.equal(findHierarchies("4:memory:/docker/1 2\n", mounts).own.get("memory"), "/sys/fs/cg ");
  const deeper = findHierarchies("4:memory:/docker/1 2/app\n", mounts);
  assert.equal(deeper.own.get("memory"), "/sys/fs/cg /app");
  assert.equal(findHierarchies("4:memory:/other\n", mounts).own.get("memory"), "/sys/fs/cg ");
});

Deno.test("findHierarchies() finds none where none is mounted", () => {
  assert.deepEqual(findHierarchies("0::/\n", "25 24 0:22 / / rw - ext4 /dev/sda rw\n"), {
    version: 0,
    own: new Map(),
  });
  assert.equal(findHierarchies("", "").version, 0);
});
