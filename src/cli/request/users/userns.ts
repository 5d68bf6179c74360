/** `--userns`: whose users the pod has. */
import { parseId } from "../../../appc/volume.ts";
import { Failure } from "../../../failure.ts";
import { callingUser, ownGroup } from "../../../rootless/calling_user.ts";
import type { AppRequest, PodRequest, RunRequest } from "../../../start/request.ts";
import { wholeNumber } from "../../grammar/key_values.ts";
import type { Flags } from "../../grammar/flags.ts";

type Users = Pick<PodRequest, "privateUsers" | "kept">;

/**
 * A request with the users that `--userns` says.
 *
 * @throws {Failure} names the flag
 */
export function userns({ pod, apps }: RunRequest, flags: Flags): RunRequest {
  const users = parseUserns(flags);
  return { pod: { ...pod, ...users }, apps: apps.map((app) => asCaller(app, users)) };
}

function parseUserns(flags: Flags): Users {
  const text = flags.text("userns") ?? "";
  if (flags.on("private-users") && text !== "auto") {
    throw new Failure(`--private-users and --userns=${text} exclude each other`);
  }
  if (text === "host" || text === "auto") return { privateUsers: text === "auto" };
  const kept = text === "keep-id" ? caller() : parsePair(text);
  const { uid, gid } = kept;
  // That is what a pod has without the flag: its root is the caller.
  if (uid === 0 && gid === 0) return { privateUsers: false };
  if (uid === 0 || gid === 0) {
    throw new Failure(`--userns=${text}: user 0 and group 0 go together only`);
  }
  return { privateUsers: true, kept };
}

/** Who has called rkt: root stays root. */
function caller() {
  const uid = callingUser();
  return uid === undefined ? { uid: 0, gid: 0 } : { uid, gid: ownGroup() };
}

function parsePair(text: string): NonNullable<Users["kept"]> {
  const [, uid, gid] = /^uid=(\d+):gid=(\d+)$/.exec(text) ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Failure(
      `--userns: ${JSON.stringify(text)} is not one of host, auto, keep-id, uid=UID:gid=GID`,
    );
  }
  const id = (text: string) => parseId(wholeNumber("--userns", text), "--userns");
  return { uid: id(uid), gid: id(gid) };
}

/** An app whose user nobody has named is the caller, where the caller is a user of the pod. */
function asCaller(app: AppRequest, { kept }: Users): AppRequest {
  if (kept === undefined || app.user !== undefined || app.group !== undefined) return app;
  return { ...app, user: `${kept.uid}`, group: `${kept.gid}` };
}
