/**
 * What users other than root need to run pods, looked at one after the other. Each thing is tried, where it can be, and what
 * is missing comes with the line that mends it.
 */
import { ServiceManager } from "../dbus/service_manager.ts";
import { Failure } from "../failure.ts";
import { callingUser } from "./calling_user.ts";
import { sysctlValue, systemText } from "./system_files.ts";
import { overlayWorks } from "../../stage1/root/overlay_probe.ts";
import { exists } from "../linux/exists.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDWR, W_OK } from "../linux/constants.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { TempDirectory } from "../store/temp_directory.ts";
import { availableUsers, makeNamespace, systemProgram } from "./user_namespace.ts";

/** Something that was looked at. */
export interface Finding {
  readonly subject: string;
  /** `ok`; `less`: pods run, but can do less; `no`: no pod runs. */
  readonly state: "ok" | "less" | "no";
  /** What was found, and what to do. */
  readonly text: string;
}

/** What can be seen as the user himself. */
export function findingsOutside(uid: number, gid: number): readonly Finding[] {
  const findings: Finding[] = [];
  const subject = "user namespaces";
  if (sysctlValue("kernel.apparmor_restrict_unprivileged_userns") === "1") {
    findings.push({
      subject: "AppArmor",
      state: "less",
      text: "lets only programs with a profile use user namespaces; as root: " +
        appArmorRemedy(Deno.execPath()),
    });
  }
  const users = availableUsers(uid, gid);
  findings.push(
    users.kind === "range"
      ? { subject: "users", state: "ok", text: "images keep their owners (newuidmap, /etc/subuid)" }
      : {
        subject: "users",
        state: "less",
        text: `pods have one user, and images lose their owners: ${users.why}; ` +
          "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
      },
  );
  try {
    closeDescriptor(makeNamespace(users, uid, gid));
    findings.push({ subject, state: "ok", text: "made one" });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    findings.push({ subject, state: "no", text });
  }
  return findings;
}

/** The line that gives this rkt a profile by which AppArmor lets it use user namespaces: packages bring the same one. */
export function appArmorRemedy(path: string): string {
  const profile = `abi <abi/4.0>,\\nprofile rkt "${path}" flags=(unconfined) {\\n  userns,\\n}\\n`;
  const file = "/etc/apparmor.d/rkt";
  return `printf '${profile}' >${file} && apparmor_parser -r ${file}`;
}

/** What can be seen as root of a namespace. */
export async function findingsInside(dataDir: string): Promise<readonly Finding[]> {
  return [overlay(dataDir), network(), await limits()];
}

function overlay(dataDir: string): Finding {
  const subject = "overlayfs";
  using temporary = TempDirectory.create(dataDir);
  return overlayWorks(temporary.path) ? { subject, state: "ok", text: `works in ${dataDir}` } : {
    subject,
    state: "less",
    text: `does not work in ${dataDir}: each pod gets a copy of its image`,
  };
}

function network(): Finding {
  const subject = "network";
  if (systemProgram("pasta") === undefined) {
    const text =
      "--net=none and --net=host only; for a network of the pod's own install passt (pasta)";
    return { subject, state: "less", text };
  }
  const tun = trySyscall("openat", AT_FDCWD, cstring("/dev/net/tun"), O_RDWR | O_CLOEXEC, 0);
  if (tun >= 0) {
    closeDescriptor(tun);
    return { subject, state: "ok", text: "pasta" };
  }
  const text = "pasta needs /dev/net/tun; as root: modprobe tun && chmod 666 /dev/net/tun";
  return { subject, state: "less", text };
}

async function limits(): Promise<Finding> {
  const subject = "limits";
  if (!exists("/sys/fs/cgroup/cgroup.controllers")) {
    const text = "none: cgroups of version 1 can't be delegated to users";
    return { subject, state: "less", text };
  }
  const own = Deno.readTextFileSync("/proc/self/cgroup").trim().split("::")[1] ?? "/";
  const writable = trySyscall("faccessat2", AT_FDCWD, cstring(`/sys/fs/cgroup${own}`), W_OK, 0);
  if (writable === 0) {
    return { subject, state: "ok", text: "by the cgroup that was delegated to the user" };
  }
  const uid = callingUser() ?? 0;
  try {
    using manager = await ServiceManager.open(uid);
    if (manager !== undefined) return { subject, state: "ok", text: scopes(uid) };
    const text =
      "none: no systemd of the user runs (su, cron, ssh); as root: loginctl enable-linger USER";
    return { subject, state: "less", text };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { subject, state: "less", text: `none: ${error.message}` };
  }
}

/** What the user's systemd has to give. */
function scopes(uid: number): string {
  const slice = `/sys/fs/cgroup/user.slice/user-${uid}.slice`;
  const controllers = systemText(`${slice}/user@${uid}.service/cgroup.controllers`).trim();
  return `in scopes of the user's systemd${controllers === "" ? "" : `: ${controllers}`}`;
}
