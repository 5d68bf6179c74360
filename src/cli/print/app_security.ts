import type { App } from "../../appc/app.ts";
import { capabilityName } from "../../linux/capabilities.ts";
import { type Differences, differences } from "../../../stage1/explain/confinement.ts";
import { allowedCapabilities, noNewPrivileges } from "../../../stage1/resolve/resolve.ts";
import { systemCalls } from "../../../stage1/seccomp/filter.ts";
import { policyOf, unknownNames } from "../../../stage1/seccomp/policy.ts";

/** What the app may do beyond the default, and what it may not do, according to its image. */
export function appSecurity(app: App): Differences {
  const names = allowedCapabilities("of the image", app.isolators).map(capabilityName);
  const calls = systemCalls(app.isolators);
  const filtered = policyOf(calls, names) !== undefined;
  const root = app.user === "0" || app.user === "root";
  const found = differences({
    capabilities: names,
    calls: filtered ? calls : "all",
    noNewPrivileges: noNewPrivileges(app.isolators) ?? (filtered && !root),
    protectPaths: true,
    readOnlyRoot: false,
    user: app.user,
    shared: [],
    labels: app.isolators.flatMap((isolator) => {
      if (isolator.kind === "os/linux/apparmor-profile") {
        return [`confined by AppArmor as ${isolator.profile}`];
      }
      return isolator.kind === "os/linux/selinux-context"
        ? [`confined by SELinux as type ${isolator.type}`]
        : [];
    }),
  });
  const strange = calls === "default" ? [] : unknownNames(calls);
  return {
    more: found.more,
    less: [...found.less, ...strange.map((name) => `(there is no system call ${name})`)],
  };
}
