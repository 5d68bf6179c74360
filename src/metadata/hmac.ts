/** Signatures of pods by a secret that only the host has (appc specification, "Pod Signing Service"). */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";

/** The sixteen bytes of a UUID. */
const uuidBytes = (uuid: string): Uint8Array => Uint8Array.fromHex(uuid.replaceAll("-", ""));

function digest(key: Uint8Array, uuid: string, content: Uint8Array): Buffer {
  // The length of what stands in front is fixed, so no content can look like that of another pod.
  return createHmac("sha512", key).update(uuidBytes(uuid)).update(content).digest();
}

/** HMAC-SHA512 over the pod's UUID and the content, in base64. */
export function signContent(key: Uint8Array, uuid: string, content: Uint8Array): string {
  return digest(key, uuid, content).toString("base64");
}

/** Whether a signature in base64 is that of a pod for a content. */
export function verifyContent(
  key: Uint8Array,
  uuid: string,
  content: Uint8Array,
  signature: string,
): boolean {
  const given = Buffer.from(signature.trim(), "base64");
  const expected = digest(key, uuid, content);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
