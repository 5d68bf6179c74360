/** What a pod is told about itself: the endpoints below `/acMetadata/v1` (appc specification, "Metadata Service"). */
import type { Annotation } from "../appc/annotation.ts";
import type { SigningKey } from "../identity/host_keys.ts";
import { signForPod, verifySignature } from "../identity/signatures.ts";
import { Failure } from "../failure.ts";
import { type Form, readForm } from "./form.ts";
import { signContent, verifyContent } from "./hmac.ts";
import { isUuid, type RegisteredPod } from "./registered_pods.ts";
import { json, otherMethod, refusal, type Reply, text } from "./reply.ts";

/** A request of a pod whose identity is known. */
export interface PodRequest {
  readonly method: string;
  /** Below `/acMetadata/v1`, with a slash in front. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What the service signs with. */
export interface Signer {
  /** The host's secret for signatures of the specification's kind. */
  readonly hmac: Uint8Array;
  /** For those that others verify by the host's bundle. */
  readonly ed25519: SigningKey;
  readonly bundle: string;
  readonly trustDomain: string;
}

/** Answers a request. */
export async function answerPod(
  pod: RegisteredPod,
  request: PodRequest,
  signer: Signer,
): Promise<Reply> {
  const segments = request.path.split("/").slice(1);
  const [area, ...rest] = segments;
  if (area === "pod" && (rest[0] === "hmac" || rest[0] === "ed25519")) {
    return await answerSigning(pod, request, rest, signer);
  }
  const reply = area === "pod"
    ? podReply(pod, rest)
    : area === "apps"
    ? appReply(pod, rest)
    : undefined;
  if (reply === undefined) return refusal(404, "there is no such endpoint");
  return ["GET", "HEAD"].includes(request.method) ? reply : otherMethod("GET");
}

function podReply(pod: RegisteredPod, [what, name, ...more]: readonly string[]): Reply | undefined {
  if (more.length > 0) return undefined;
  if (what === "annotations") return annotationsReply(pod.parsed.annotations, name, pod.manifest);
  if (name !== undefined) return undefined;
  if (what === "uuid") return text(pod.uuid);
  return what === "manifest" ? json(pod.manifest) : undefined;
}

function appReply(pod: RegisteredPod, segments: readonly string[]): Reply | undefined {
  const [app, what, which, ...more] = segments;
  const runtime = pod.parsed.apps.find(({ name }) => name === app);
  const isEndpoint = what === "annotations" ||
    (what === "image" && (which === "manifest" || which === "id"));
  if (app === undefined || !isEndpoint || more.length > 0) return undefined;
  if (runtime === undefined) return refusal(404, "the pod has no such app");
  const image = pod.parsedImages.get(runtime.name);
  const manifest = pod.images[runtime.name];
  if (what === "annotations") {
    return annotationsReply(merged(image?.annotations ?? [], runtime.annotations), which);
  }
  if (which === "id") return text(runtime.image.id);
  return manifest === undefined
    ? refusal(404, "the manifest of the app's image is not registered")
    : json(manifest);
}

/** The image's annotations; those that the pod has of the same name go before them. */
function merged(
  image: readonly Annotation[],
  pod: readonly Annotation[],
): readonly Annotation[] {
  const kept = image.map((each) => pod.find(({ name }) => name === each.name) ?? each);
  return [...kept, ...pod.filter(({ name }) => !image.some((each) => each.name === name))];
}

/** A list, or with rkt's addition the value of one of them. */
function annotationsReply(list: readonly Annotation[], name?: string, manifest?: string): Reply {
  if (name === undefined) {
    // As the reference implementation: what a manifest does not say is null.
    const isAbsent = list.length === 0 && manifest !== undefined &&
      !Object.hasOwn(JSON.parse(manifest), "annotations");
    return json(isAbsent ? "null" : JSON.stringify(list));
  }
  const found = list.find((annotation) => annotation.name === decoded(name));
  if (found === undefined) return refusal(404, "there is no such annotation");
  return { status: 200, type: "text/plain; charset=utf-8", body: found.value };
}

/** A name of an annotation may have slashes, which are escaped in a path. */
function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

async function answerSigning(
  pod: RegisteredPod,
  { method, contentType, body }: PodRequest,
  [kind, what, ...more]: readonly string[],
  signer: Signer,
): Promise<Reply> {
  if ((what !== "sign" && what !== "verify") || more.length > 0) {
    return refusal(404, "there is no such endpoint");
  }
  if (method !== "POST") return otherMethod("POST");
  const form = await readForm(contentType, body);
  if (form === undefined) return refusal(400, "the body is no form");
  const content = form.get("content");
  if (content === undefined) return refusal(400, 'the form has no field "content"');
  if (kind === "ed25519") {
    return what === "sign" ? signed(pod, content, signer) : whoSigned(form, content, signer);
  }
  if (what === "sign") return text(signContent(signer.hmac, pod.uuid, content));
  return verified(form, content, signer.hmac);
}

function signed(pod: RegisteredPod, content: Uint8Array, signer: Signer): Reply {
  const { apps } = pod.parsed;
  const signing = { trustDomain: signer.trustDomain, pod: pod.uuid, apps };
  return text(signForPod(signer.ed25519, signing, content));
}

function whoSigned(form: Form, content: Uint8Array, { bundle }: Signer): Reply {
  const signature = form.get("signature");
  if (signature === undefined) return refusal(400, 'the form has no field "signature"');
  try {
    const claims = verifySignature(new TextDecoder().decode(signature), bundle, content);
    return json(JSON.stringify(claims));
  } catch (error) {
    if (error instanceof Failure) return refusal(403, error.message);
    throw error;
  }
}

function verified(form: Form, content: Uint8Array, key: Uint8Array): Reply {
  const field = (name: string) => {
    const bytes = form.get(name);
    return bytes && new TextDecoder().decode(bytes);
  };
  const uuid = field("uuid")?.trim().toLowerCase();
  const signature = field("signature");
  if (uuid === undefined || signature === undefined) {
    return refusal(400, 'the form needs the fields "uuid" and "signature"');
  }
  if (!isUuid(uuid)) return refusal(400, '"uuid" is no UUID');
  return verifyContent(key, uuid, content, signature)
    ? text("")
    : refusal(403, "the signature is not that pod's, or is of another content");
}
