/** What is recorded of fetches, keys, and of what people do with pods: stage1/pod.ts has a pod's start and end. */
import type { RecordField } from "./record_fields.ts";
import type { AuditEvent } from "./write_record.ts";

/** An image that came into the store. */
export interface FetchedImage {
  readonly name: string;
  /** The whole ID. */
  readonly imageId: string;
  /** A path, URL or reference. */
  readonly source: string;
  /** Fingerprints of the keys whose signatures were verified. */
  readonly signers: readonly string[];
  /** What it was verified by, where it was not a signature. */
  readonly otherwise: "its digest" | "nothing";
}

/** The record of a fetch. */
export function fetchEvent(
  { name, imageId, source, signers, otherwise }: FetchedImage,
): AuditEvent {
  const verified = signers.length > 0 ? "signature" : otherwise;
  const by = signers.length > 0 ? `signature by ${signers.join(", ")}` : otherwise;
  const from = withoutSecrets(source);
  return {
    kind: "fetch",
    message: `Image ${name} (${imageId}) was fetched from ${from}, verified by ${by}`,
    fields: [
      ["RKT_IMAGE", name],
      ["RKT_IMAGE_ID", imageId],
      ["RKT_SOURCE", from],
      ["RKT_VERIFIED", verified],
      ...signers.map((signer): RecordField => ["RKT_SIGNER", signer]),
    ],
  };
}

/** A URL without what gives access to it. */
export function withoutSecrets(location: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location) || !URL.canParse(location)) return location;
  return location.replace(/^([^/]*\/\/)[^/?#]*@/, "$1").replace(/[?#].*$/s, "?…");
}

/** A decision about a key. */
export interface KeyDecision {
  readonly decision:
    | "trusted"
    | "refused"
    | "revoked"
    | "isolators accepted"
    | "isolators revoked";
  /** Empty where it is about what images ask for, whichever key has signed them. */
  readonly fingerprint: string;
  readonly identity: string;
  /** Empty: every image. */
  readonly prefix: string;
  /** Where the key came from; absent for one that was there. */
  readonly source?: string;
  /** Who said so. */
  readonly by: "a person" | "a flag" | "https";
}

/** The record of a decision about a key. */
export function trustEvent(
  { decision, fingerprint, identity, prefix, source, by }: KeyDecision,
): AuditEvent {
  const what = prefix === "" ? "every image" : `images of ${prefix}`;
  const who = identity === "" ? fingerprint : `${fingerprint} (${identity})`;
  const key: readonly RecordField[] = fingerprint === ""
    ? []
    : [["RKT_KEY", fingerprint], ["RKT_SIGNER", fingerprint], ["RKT_IDENTITY", identity]];
  return {
    kind: "trust",
    message: key.length === 0
      ? `What images ask for: ${decision} for ${what}`
      : `Key ${who} is ${decision} for ${what}, by ${by}`,
    fields: [
      ["RKT_DECISION", decision],
      ...key,
      ["RKT_PREFIX", prefix],
      ["RKT_DECIDED_BY", by],
      ...source === undefined ? [] : [["RKT_SOURCE", withoutSecrets(source)] as const],
    ],
  };
}

/** The record of something that a person does with a pod. */
export function podEvent(
  kind: "remove" | "enter" | "copy" | "app-start",
  uuid: string,
  what: string,
  fields: readonly RecordField[],
): AuditEvent {
  return { kind, message: `Pod ${uuid}: ${what}`, fields: [["RKT_POD", uuid], ...fields] };
}
