/** `rkt enter` and `rkt app exec`: this process becomes the parent of a program in an app. */
import { originalVariable } from "../../linux/environment.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { podEvent } from "../../audit/events.ts";
import { Failure } from "../../failure.ts";
import { setCloseOnExec } from "../../linux/lock.ts";
import { REGISTERED_FILE } from "../../pod/directory/pod_details.ts";
import { ownUsers } from "../../linux/own_users.ts";
import { openCgroups } from "../../pod/app/app_cgroups.ts";
import { pinApp } from "../../pod/app/app_process.ts";
import {
  enteredApp,
  hasOwnUsers,
  otherNamespaces,
  privilegedApp,
} from "../../pod/app/entered_app.ts";
import { chosenApp } from "../../pod/app/pod_app.ts";
import { ownRoot } from "../../pod/app/fly_root.ts";
import { isExternal } from "../../pod/external/external_pod.ts";
import { openPod, readPodFile } from "../../pod/directory/pod_directory.ts";
import { completeManifest } from "../../pod/make/resolved_pod.ts";
import type { Program } from "../../../stage1/app/app.ts";
import { callingUser } from "../../rootless/calling_user.ts";
import { World } from "../../start/world.ts";
import { enterPlan } from "../../../stage1/processes/enter.ts";
import { becomeProgram } from "../../../stage1/engine/execute.ts";
import { program } from "../../../stage1/engine/launch.ts";
import type { PodApp } from "../../../stage1/pod.ts";
import { audit } from "../request/audit.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import type { Invocation } from "../grammar/command.ts";

/** What is run where nothing is asked for: the first of them that the app has. */
const SHELLS = ["/bin/bash", "/bin/sh"];

/** Runs the command; it returns only with an error. */
export default async function run(
  invocation: Invocation,
): Promise<number> {
  const { flags, global } = invocation;
  const { uuid, rest: words } = podAndRest(invocation);
  const pod = openPod(global.dir, uuid);
  if (pod.state !== "running") {
    throw new Failure(`pod "${pod.uuid}" is ${pod.state}: only a running one can be entered`);
  }
  const name = chosenApp(pod, flags.text("app"));
  const manifest = completeManifest(pod);
  if (isExternal(pod)) {
    if (flags.on("privileged")) {
      throw new Failure("--privileged is not for pods of an external stage1 image");
    }
    const { enterExternal } = await import("../../pod/external/entry_points.ts");
    recordEntering(invocation, pod.uuid, manifest, name, words);
    enterExternal(pod, name, words.length > 0 ? words : ["/bin/sh"]);
  }
  using process = pinApp(global.dir, pod, name);
  const confined = await enteredApp(
    manifest,
    name,
    words.length > 0 ? words : SHELLS,
    process,
  );
  const told = withMetadata(confined, readPodFile(pod, REGISTERED_FILE) ?? "");
  const app = flags.on("privileged") ? privilegedApp(told) : told;
  recordEntering(invocation, pod.uuid, manifest, name, words);
  // Where only the input is a terminal, a program's output is to come out as it is.
  const terminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  if (app.processLimits.length > 0) {
    const { raiseOwnLimits } = await import("../../start/host/check_process_limits.ts");
    raiseOwnLimits(app);
  }
  const uid = callingUser();
  if (uid !== undefined) {
    const { approach } = await import("../../rootless/scope.ts");
    await approach(uid, process.main.pid);
  }
  const cgroups = openCgroups(process.main);
  const users = hasOwnUsers(process.init) ? process.init.fd : undefined;
  for (const fd of [process.main.fd, ...users === undefined ? [] : [users], ...cgroups]) {
    setCloseOnExec(fd, false);
  }
  becomeProgram(
    program(enterPlan({
      app: terminal ? withTerminal(app) : app,
      process: process.main.fd,
      namespaces: otherNamespaces(process.main),
      users,
      rootless: ownUsers() !== "all",
      cgroups,
      root: ownRoot(pod, name),
      terminal,
      caller: terminal ? undefined : new World().callerStreams(),
      programs: programs(words, app),
      command: words[0] ?? SHELLS.join(" or "),
    })),
    `rkt enter ${pod.uuid}`,
  );
}

/** Says who is in which app now: before it happens. */
function recordEntering(
  { global, flags }: Invocation,
  uuid: string,
  manifest: PodManifest,
  name: string,
  words: readonly string[],
): void {
  const app = manifest.apps.find((each) => each.name === name);
  const command = words.length === 0 ? "a shell" : JSON.stringify(words);
  audit(
    global,
    podEvent("enter", uuid, `${command} is run in app ${name}`, [
      ["RKT_APP_NAME", name],
      ["RKT_IMAGE_ID", app?.image.id ?? ""],
      ["RKT_COMMAND", JSON.stringify(words)],
      ...flags.on("privileged")
        ? [["RKT_PRIVILEGE", `${name}: entered with --privileged`] as const]
        : [],
    ]),
  );
}

/** The app's program finds the metadata service; whatever enters the app does, too. */
function withMetadata(app: PodApp, registered: string): PodApp {
  const lines = registered.split("\n").filter((line) => line !== "");
  return { ...app, environment: [...app.environment, ...lines] };
}

function programs(words: readonly string[], app: PodApp): readonly Program[] {
  if (words.length === 0) return SHELLS.map((path) => ({ path, arguments: [path] }));
  return app.executables.map((path) => ({ path, arguments: words }));
}

/** What a terminal can do is known only to whoever has it. */
function withTerminal(app: PodApp): PodApp {
  const term = originalVariable("TERM");
  const known = app.environment.some((each) => each.startsWith("TERM="));
  if (term === undefined || known) return app;
  return { ...app, environment: [...app.environment, `TERM=${term}`] };
}
