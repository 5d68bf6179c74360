import { podEvent } from "../../audit/events.ts";
import { printNote } from "../../linux/printable.ts";
import { fileSource } from "../../aci/bytes/source.ts";
import { Failure } from "../../failure.ts";
import { type AppFiles, openAppFiles } from "../../pod/app/app_files.ts";
import {
  archiveTo,
  asItIs,
  type CopyEnd,
  copyTree,
  extractTo,
  findSource,
  findTarget,
} from "../../pod/app/copy_files.ts";
import { chosenApp } from "../../pod/app/pod_app.ts";
import { openPod } from "../../pod/directory/pod_directory.ts";
import type { Invocation } from "../grammar/command.ts";
import { audit } from "../request/audit.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import { printBytes } from "../print/output.ts";

/** `UUID:PATH`, or `:PATH` with --uuid-file. A path of the host with a colon in its first name has to begin with `./`. */
const IN_POD = /^([^/:]*):(.*)$/s;

/** `rkt cp`: files between the host and an app. */
export default async function run(invocation: Invocation): Promise<number> {
  const { args, flags, global } = invocation;
  const [from = "", to = ""] = args;
  const [source, target] = [IN_POD.exec(from), IN_POD.exec(to)];
  const inPod = source ?? target;
  if (inPod === null || (source !== null && target !== null)) {
    throw new Failure(
      "one of the two paths has to be in a pod, UUID:PATH, and the other on the host",
    );
  }
  const [, uuid = "", path = ""] = inPod;
  const named = flags.text("uuid-file") !== undefined;
  if (named !== (uuid === "")) {
    throw new Failure("the pod is to be named once: UUID:PATH, or :PATH and --uuid-file");
  }
  const pod = openPod(global.dir, named ? podAndRest(invocation).uuid : uuid);
  const app = chosenApp(pod, flags.text("app"));
  using files = await openAppFiles(global.dir, pod, app, source === null ? "write" : "read");
  const direction = source === null ? "in" : "out";
  const host = source === null ? from : to;
  audit(
    global,
    podEvent("copy", pod.uuid, `${path} of app ${app} is copied ${direction}, host: ${host}`, [
      ["RKT_APP_NAME", app],
      ["RKT_DIRECTION", direction],
      ["RKT_PATH", path],
      ["RKT_HOST_PATH", host],
    ]),
  );
  const end = { root: files.root, path: path || "/", name: `app "${app}": ${path || "/"}` };
  const left = source === null ? await copyIn(from, end, files) : copyOut(end, to, files);
  if (left > 0) printNote(`cp: left out ${left} device node(s)`);
  return 0;
}

const onHost = (path: string): CopyEnd => ({ path, name: path });

async function copyIn(from: string, end: CopyEnd, { toHost }: AppFiles): Promise<number> {
  const options = { mapFrom: asItIs, mapTo: toHost, unprivileged: false };
  if (from === "-") return await extractTo(fileSource("/dev/stdin"), findTarget(end), options);
  const source = findSource(onHost(from));
  return copyTree(source, findTarget(end, source), options);
}

function copyOut(end: CopyEnd, to: string, { toApp }: AppFiles): number {
  const source = findSource(end);
  if (to === "-") {
    if (Deno.stdout.isTerminal()) {
      throw new Failure("the archive is nothing for a terminal: give - a pipe or a file");
    }
    archiveTo(source, toApp, printBytes);
    return 0;
  }
  const options = { mapFrom: toApp, mapTo: asItIs, unprivileged: true };
  return copyTree(source, findTarget(onHost(to), source), options);
}
