/** How pods are registered: rkt's own protocol, at a socket that only root can reach. */
import { AppcError } from "../appc/error.ts";
import { isToken, isUuid, type RegisteredPods } from "./registered_pods.ts";
import { otherMethod, refusal, type Reply, text } from "./reply.ts";

/** A request at the registration socket. */
export interface RegistrationRequest {
  readonly method: string;
  /** With the query behind it. */
  readonly url: string;
  readonly body: string;
}

/**
 * Answers a request:
 *
 *     PUT /pods/UUID?token=TOKEN   a pod, by its manifest; with `address=` and `directory=` as additions of ours
 *     PUT /pods/UUID/APP           the image manifest of one of its apps
 *     DELETE /pods/UUID
 */
export function answerRegistration(
  pods: RegisteredPods,
  { method, url, body }: RegistrationRequest,
): Reply {
  if (!URL.canParse(url, "unix://host")) return refusal(400, "the path can't be read");
  const { pathname, searchParams } = new URL(url, "unix://host");
  const [, area, uuid, app, ...more] = pathname.split("/");
  if (area !== "pods" || uuid === undefined || more.length > 0) return refusal(404, "no such path");
  if (!isUuid(uuid)) return refusal(400, "no UUID of a pod");
  try {
    if (app !== undefined) {
      return method === "PUT" ? image(pods, uuid, app, body) : otherMethod("PUT");
    }
    if (method === "PUT") return add(pods, uuid, searchParams, body);
    if (method !== "DELETE") return otherMethod("PUT, DELETE");
    return pods.remove(uuid) ? text("") : refusal(404, "no such pod");
  } catch (error) {
    if (error instanceof AppcError) return refusal(400, error.message);
    throw error;
  }
}

function add(pods: RegisteredPods, uuid: string, query: URLSearchParams, manifest: string): Reply {
  const token = query.get("token");
  if (token === null || !isToken(token)) return refusal(400, "no token, or too short a one");
  const dataDir = query.get("directory") ?? undefined;
  pods.forgetEnded();
  pods.add({ uuid, token, manifest, addresses: query.getAll("address"), dataDir });
  return text("");
}

function image(pods: RegisteredPods, uuid: string, app: string, manifest: string): Reply {
  const pod = pods.byUuid(uuid);
  if (pod === undefined) return refusal(404, "no such pod");
  pods.addImage(pod, app, manifest);
  return text("");
}
