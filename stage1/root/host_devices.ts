/**
 * The host's devices for pods of users other than root, who can make no nodes. Init mounts the host's nodes in its own root
 * while it sees them; the apps get clones of these mounts.
 */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";

/** Where in init's root the nodes are. */
const DIRECTORY = "/.dev";

/** The host's devices, and their names in {@linkcode DIRECTORY}. */
const HOST_DEVICES = [
  ["/dev/null", "null"],
  ["/dev/zero", "zero"],
  ["/dev/full", "full"],
  ["/dev/random", "random"],
  ["/dev/urandom", "urandom"],
  ["/dev/tty", "tty"],
  ["/dev/net/tun", "tun"],
] as const;

/** The path in init's root of what an app gets as a device, by its name in /dev. */
export function hostDevice(name: string): string {
  return `${DIRECTORY}/${name === "console" ? "null" : name === "net/tun" ? "tun" : name}`;
}

/** A device of the host as a mount, or an error number where there is none. */
interface HostDevice {
  readonly name: string;
  readonly node: Slot;
}

/** Opens the host's devices, while the host's root is still there. */
export function openHostDevices(steps: Section): readonly HostDevice[] {
  return HOST_DEVICES.map(([path, name]) => {
    const node = slot(`the host's ${path}`);
    steps.attempt(`open the host's ${path}`, "open_tree", [
      k.AT_FDCWD,
      path,
      k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
    ], { store: node });
    return { name, node };
  });
}

/** Mounts them in init's root. */
export function keepHostDevices(steps: Section, devices: readonly HostDevice[]): void {
  steps.must("make a place for devices", "mkdirat", [k.AT_FDCWD, DIRECTORY, 0o755]);
  for (const { name, node } of devices) {
    const missing = `the host has no ${name}`;
    const path = `${DIRECTORY}/${name}`;
    steps.compute("let", [node], { branch: { when: "less", operand: 0, to: missing } });
    steps.must(`make a place for ${name}`, "mknodat", [k.AT_FDCWD, path, k.S_IFREG | 0o600, 0]);
    steps.must(`mount the host's ${name}`, "move_mount", [
      node,
      "",
      k.AT_FDCWD,
      path,
      k.MOVE_MOUNT_F_EMPTY_PATH,
    ]);
    steps.attempt("close it", "close", [node]);
    steps.label(missing);
  }
}
