/** The /dev of an OCI container: nodes, which may be anywhere in its root, and links. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { STATX } from "../../src/linux/statx.ts";
import { addressOf, type Section, type Slot, slot, space } from "../engine/plan.ts";
import { attach } from "../steps/mounts.ts";
import type { Container, ContainerDevice } from "./container.ts";
import { type OpenMounts, openParent, openPlace, openPlainPlace } from "./container_mounts.ts";

/** Where links of /dev lead (runtime-linux.md, "Dev symbolic links"). */
const DEVICE_LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
] as const;

/** Its /dev (config-linux.md, "Default Devices"): nodes and links. */
export function fillDev(s: Section, container: Container, { root }: OpenMounts): void {
  for (const device of container.devices ?? []) {
    const at = `at ${device.path}`;
    if (container.bindsDevices) {
      const node = slot("device");
      s.must(`open the host's device ${at}`, "open_tree", [
        k.AT_FDCWD,
        device.path,
        k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
      ], { store: node });
      const target = openPlainPlace(s, at, root, device.path);
      attach(s, `mount the host's device ${at}`, node, target);
      s.attempt("close the target", "close", [target]);
      s.attempt("close the device", "close", [node]);
      continue;
    }
    const [parent, name] = openParent(s, at, root, device.path);
    const result = slot("result");
    const made = `made ${at}`;
    const ready = `device ${at} is ready`;
    s.attempt(`make the device ${at}`, "mknodat", [parent, name, device.mode, device.number], {
      store: result,
      branch: { when: "equal", operand: 0, to: made },
    });
    const there = `something is ${at}`;
    s.when(result, -ERRNO.EEXIST, there);
    s.must(`make the device ${at}`, "mknodat", [parent, name, device.mode, device.number]);
    s.label(there);
    checkDevice(s, at, device, parent, name);
    s.goto(ready);
    s.label(made);
    s.must(`give the device ${at} to its user`, "fchownat", [
      parent,
      name,
      device.uid,
      device.gid,
      k.AT_SYMLINK_NOFOLLOW,
    ]);
    s.label(ready);
    s.attempt("close the parent", "close", [parent]);
  }
  if (container.devices === undefined) return;
  const dev = openPlace(s, "for the links of /dev", root, "/dev", true);
  for (const [name, to] of DEVICE_LINKS) {
    s.attempt(`make the link /dev/${name}`, "symlinkat", [to, dev, name]);
  }
  s.attempt("make room for /dev/ptmx", "unlinkat", [dev, "ptmx", 0]);
  s.attempt("make the link /dev/ptmx", "symlinkat", ["pts/ptmx", dev, "ptmx"]);
  s.attempt("close /dev", "close", [dev]);
}

/** A device's number, from the form that mknod(2) takes: the major one in the lower half, the minor one in the upper. */
const asInStatx = (number: number): bigint =>
  BigInt(number >>> 8 & 0xfff) + (BigInt((number & 0xff) | (number >>> 12 & 0xfff00)) << 32n);

/** A file that is no such device would be taken for it (config-linux.md, "Devices"). */
function checkDevice(
  s: Section,
  at: string,
  { mode, number }: ContainerDevice,
  parent: Slot,
  name: string,
): void {
  const status = space("statx", STATX.bytes);
  const value = slot("value");
  const other = `another file is ${at}`;
  const same = `that device is ${at}`;
  s.must(`look at what is ${at}`, "statx", [
    parent,
    name,
    k.AT_SYMLINK_NOFOLLOW,
    k.STATX_BASIC_STATS,
    status,
  ]);
  s.compute("load", [addressOf(status, STATX.mode)], { store: value });
  s.compute("and", [value, k.S_IFMT], {
    store: value,
    branch: { when: "different", operand: mode & k.S_IFMT, to: other },
  });
  s.compute("load", [addressOf(status, STATX.rdev)], { store: value });
  const isNode = (mode & k.S_IFMT) !== k.S_IFIFO;
  const wanted = isNode ? asInStatx(number) : 0n;
  s.compute("let", [value], { branch: { when: "equal", operand: wanted, to: same } });
  s.label(other);
  s.must(`refuse what is ${at}: it is another file than the device`, "fchdir", [-1]);
  s.label(same);
}
