/** What a Linux security module is to know an app by: its SELinux context or AppArmor profile. */
import type { Isolator } from "../../src/appc/isolator.ts";
import { Failure } from "../../src/failure.ts";
import type { SecurityLabel } from "../pod.ts";

/** Where the kernel says which modules it has. */
export interface KernelFiles {
  /** The text of a file; undefined where there is none. */
  read(path: string): string | undefined;
}

/**
 * The label of an app; undefined where none is asked for. Of an app's and a pod's context the app's is taken.
 *
 * @throws {Failure} where this kernel can't enforce it: an app must not run with less than was asked for
 */
export function securityLabel(
  app: string,
  isolators: readonly Isolator[],
  podIsolators: readonly Isolator[],
  kernel: KernelFiles = HERE,
): SecurityLabel | undefined {
  const labels = [...isolators, ...podIsolators].flatMap((isolator) => {
    if (isolator.kind === "os/linux/selinux-context") {
      const { user, role, type, level } = isolator;
      return selinux(app, `${user}:${role}:${type}:${level}`, kernel);
    }
    return isolator.kind === "os/linux/apparmor-profile"
      ? apparmor(app, isolator.profile, kernel)
      : [];
  });
  const [label, ...others] = labels;
  if (others.some(({ module }) => module !== label?.module)) {
    throw new Failure(`app "${app}": a SELinux context and an AppArmor profile exclude each other`);
  }
  return label;
}

/** Whether the kernel runs SELinux. */
export const runsSelinux = (kernel: KernelFiles): boolean =>
  kernel.read("/sys/fs/selinux/enforce") !== undefined;

/** Whether the kernel runs AppArmor. */
export const runsApparmor = (kernel: KernelFiles): boolean =>
  kernel.read("/sys/module/apparmor/parameters/enabled")?.trim() === "Y";

/** The file below /proc/self that takes the profile of the next execve(2). Linux 5.1 and later have a directory for each module. */
export const apparmorFile = (kernel: KernelFiles): string =>
  kernel.read("/proc/self/attr/apparmor/current") === undefined
    ? "attr/exec"
    : "attr/apparmor/exec";

function selinux(app: string, context: string, kernel: KernelFiles): SecurityLabel {
  if (!runsSelinux(kernel)) {
    throw new Failure(
      `app "${app}": this kernel does not run SELinux, so the context ${context} can't be enforced; remove the isolator os/linux/selinux-context`,
    );
  }
  return { module: "SELinux", file: "attr/exec", text: context, name: context };
}

function apparmor(app: string, profile: string, kernel: KernelFiles): SecurityLabel {
  if (!runsApparmor(kernel)) {
    throw new Failure(
      `app "${app}": this kernel does not run AppArmor, so the profile ${profile} can't be enforced; remove the isolator os/linux/apparmor-profile`,
    );
  }
  const loaded = kernel.read("/sys/kernel/security/apparmor/profiles");
  const names = loaded?.split("\n").map((line) => line.replace(/ \([a-z]+\)$/, ""));
  if (names !== undefined && profile !== "unconfined" && !names.includes(profile)) {
    throw new Failure(
      `app "${app}": the AppArmor profile ${profile} is not loaded; load it with apparmor_parser`,
    );
  }
  return { module: "AppArmor", file: apparmorFile(kernel), text: `exec ${profile}`, name: profile };
}

const HERE: KernelFiles = {
  read(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return undefined;
    }
  },
};
