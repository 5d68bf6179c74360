/** `rkt app start`: starts an app that was added to a running pod, or has ended there. */
import { podEvent } from "../../audit/events.ts";
import { appFields, appPrivileges } from "../../audit/pod_records.ts";
import type { RecordField } from "../../audit/record_fields.ts";
import { printNote } from "../../linux/printable.ts";
import { parseAcName } from "../../appc/name.ts";
import {
  findAddedLocation,
  joinCgroups,
  noteCgroups,
} from "../../pod/cgroups/added_app_cgroups.ts";
import { Failure } from "../../failure.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { exists } from "../../linux/exists.ts";
import { setCloseOnExec } from "../../linux/lock.ts";
import { type Process, processLink } from "../../linux/process.ts";
import { cstring, syscall } from "../../linux/syscall.ts";
import { pinReadyInit } from "../../pod/app/app_process.ts";
import { appOf, claimApp, isStopping, openSandbox } from "../../pod/life/sandbox_changes.ts";
import type { PodView } from "../../pod/directory/pod_directory.ts";
import { overlayPath } from "../../pod/make/prepare_pod.ts";
import { privateUsersOf } from "../../pod/make/private_users.ts";
import { completeManifest, resolvedPod } from "../../pod/make/resolved_pod.ts";
import { addedAppPlan, POD_ERRORS, POD_INIT, POD_MOUNTS } from "../../../stage1/processes/shim.ts";
import { becomeProgram } from "../../../stage1/engine/execute.ts";
import type { EtcFile, EtcFiles, Pod, ProcessLimit } from "../../../stage1/pod.ts";
import type { PrivateUsers } from "../../../stage1/root/pod_users.ts";
import { USER_NAMESPACE } from "../../../stage1/root/private_users.ts";
import { program, programWithSymbols } from "../../../stage1/engine/launch.ts";
import * as k from "../../linux/constants.ts";
import { appArgument } from "../request/app_argument.ts";
import { audit } from "../request/audit.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { recordedApp } from "../../start/audit/audit_pod.ts";
import { podCgroupsAt } from "../../start/pod_cgroups.ts";
import { describePod } from "../../start/describe_pod.ts";
import type { HostOptions } from "../../start/host_options.ts";
import { raiseFileLimit, withFileLimit } from "../../start/host/open_files.ts";
import { NOT_RUN } from "../../start/request.ts";
import { checkLimits } from "../../start/set_up_pod.ts";
import { hostOptions } from "../request/host_options.ts";
import { Store } from "../../store/store.ts";
import { stopLeftover } from "../../pod/app/stop_app.ts";

/** Returns only with an error, or after `--dry-run`: this process becomes the one that starts the app. */
export default async function start(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const { uuid, app } = appArgument(invocation);
  const host = hostOptions(global);
  const pod = openSandbox(global.dir, uuid);
  const init = pinReadyInit(global.dir, pod);
  if (init === undefined) throw new Failure(`pod "${pod.uuid}" is not running`);
  appOf(completeManifest(pod), pod, app);
  const mode = flags.mode("dry-run");
  if (mode !== false) {
    const { planLines, warnOfFaults } = await import("../../start/dry_run.ts");
    const { plan } = await planned(pod, app, init.pid, host);
    for (const line of planLines(plan, mode === "addresses" ? mode : "steps")) printLine(line);
    warnOfFaults(plan, "start");
    return 0;
  }
  const claimed = claimApp(pod, parseAcName(app));
  if (claimed === undefined) throw new Failure(`app "${app}" runs already, or is being started`);
  await stopLeftover(global.dir, pod, app);
  renewWorkDirectory(pod, app);
  // While the app is claimed, nobody removes it.
  const { plan, location, warnings, started, users } = await planned(
    pod,
    app,
    init.pid,
    host,
    raiseFileLimit(),
  );
  await checkLimits([started], users);
  for (const warning of warnings) printNote(`start: warning: ${warning}`);
  if (isStopping(pod)) throw new Failure(`pod "${pod.uuid}" is ending`);
  const recorded = await recordedApp(
    appOf(completeManifest(pod), pod, app),
    new Store(global.dir),
  );
  audit(
    global,
    podEvent("app-start", pod.uuid, `app ${app} of ${recorded.image} starts`, [
      ...appFields([recorded]),
      ...appPrivileges(started).map((text): RecordField => ["RKT_PRIVILEGE", text]),
    ]),
  );
  joinCgroups(init.pid);
  if (location !== undefined) noteCgroups(pod, location);
  keepInit(init, users);
  const errors = syscall("get the pod's standard error", "pidfd_getfd", init.fd, 2, 0);
  syscall("keep the pod's standard error", "dup3", errors, POD_ERRORS, 0);
  setCloseOnExec(claimed.fd, false); // from now on the shim's
  const executable = global.debug ? await programWithSymbols(plan) : program(plan);
  becomeProgram(executable, `rkt app start ${pod.uuid} ${app}`);
}

/** Hands descriptors of the pod's init and its namespaces to the plan. */
function keepInit(init: Process, users: PrivateUsers | undefined): void {
  syscall("keep the pod's init", "dup3", init.fd, POD_INIT, 0);
  const keep = (name: string, number: number) => {
    const path = `/proc/${init.pid}/ns/${name}`;
    const fd = syscall(`open ${path}`, "openat", k.AT_FDCWD, cstring(path), k.O_CLOEXEC, 0);
    syscall(`keep ${path}`, "dup3", fd, number, 0);
  };
  keep("mnt", POD_MOUNTS);
  if (users !== undefined) keep("user", USER_NAMESPACE);
  if (!init.alive) throw new Failure("the pod has ended");
}

/** Empties the work directory. overlayfs marks it when a volatile mount was not synced, and refuses to mount it again. */
function renewWorkDirectory(pod: PodView, app: string): void {
  const path = `${pod.path}/${overlayPath(app)}/work`;
  if (!exists(path)) return;
  deleteTree(path);
  Deno.mkdirSync(path, { mode: 0o755 });
}

async function planned(
  view: PodView,
  name: string,
  init: number,
  host: HostOptions,
  files?: ProcessLimit,
) {
  const { manifest, apps } = await resolvedPod(host.dataDir, view, host.confinement);
  const [app] = withFileLimit(apps.filter((each) => each.name === name), files);
  if (app === undefined) throw new Failure(`pod "${view.uuid}" has no app "${name}"`);
  const who = `app "${name}"`;
  const { location, warnings } = findAddedLocation(view, init, { who, limits: app.limits });
  const cgroups = podCgroupsAt(location, warnings, [app]);
  const users = privateUsersOf(view);
  const pod: Pod = {
    ...describePod(NOT_RUN, host, view.uuid, cgroups, manifest),
    etc: etcOf(init),
    network: { kind: hasOwnNetwork(init) ? "none" : "host" },
    privateUsers: users,
  };
  return { plan: addedAppPlan(pod, app), location, warnings, started: app, users };
}

/** Whether a process has another network namespace than this one. */
const hasOwnNetwork = (pid: number): boolean =>
  processLink(pid, "ns/net")?.ino !== processLink("self", "ns/net")?.ino;

/** The files that init has made for all apps. They have their text already. */
function etcOf(init: number): EtcFiles {
  const file = (name: string): EtcFile | undefined =>
    exists(`/proc/${init}/root/.${name}`) ? { kind: "text", text: "", implicit: true } : undefined;
  return { resolvConf: file("resolv.conf"), hosts: file("hosts") };
}
