/** What this runtime knows, for engines (features.md of the OCI runtime specification). */
import { CAPABILITIES } from "../linux/capabilities.ts";
import { ARCHITECTURE } from "../../stage1/engine/launch.ts";
import { OPTION_NAMES } from "./mount_options.ts";
import { NAMESPACE_FLAGS } from "./resolve_namespaces.ts";
import { seccompFeatures } from "./seccomp_filter.ts";
import { HOOK_POINTS } from "./hooks/hook_spec.ts";

/** The features structure. */
export const runtimeFeatures = () => ({
  ociVersionMin: "1.0.0",
  ociVersionMax: "1.2.0",
  hooks: HOOK_POINTS,
  mountOptions: OPTION_NAMES,
  linux: {
    namespaces: Object.keys(NAMESPACE_FLAGS),
    capabilities: CAPABILITIES,
    cgroup: { v1: true, v2: true, systemd: true, systemdUser: false, rdma: true },
    seccomp: seccompFeatures(ARCHITECTURE),
    apparmor: { enabled: true },
    selinux: { enabled: true },
    intelRdt: { enabled: false },
    mountExtensions: { idmap: { enabled: true } },
  },
  annotations: {},
});
