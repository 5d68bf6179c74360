/** Certificates (RFC 5280) as SPIFFE wants them (X509-SVID): of a host's authority, and of apps for an hour. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  bits,
  context,
  type Der,
  implicit,
  integer,
  octets,
  oid,
  sequence,
  setOf,
  time,
  truth,
  utf8,
} from "./der.ts";
import type { SigningKey } from "./host_keys.ts";
import { domainId, type PodIdentity, spiffeId } from "./pod_identity.ts";

/** Milliseconds that a certificate of an app is valid. */
export const CERTIFICATE_LIFE = 3_600_000;
/** How long before now it begins: clocks differ. */
const EARLIER = 60_000;

/** ecdsa-with-SHA256 (RFC 5758) */
const ALGORITHM = sequence(oid("1.2.840.10045.4.3.2"));

/** The attributes of names that are used here (RFC 4519). */
const ATTRIBUTES = {
  commonName: "2.5.4.3",
  locality: "2.5.4.7",
  organization: "2.5.4.10",
  unit: "2.5.4.11",
  description: "2.5.4.13",
} as const;

type Name = Partial<Record<keyof typeof ATTRIBUTES, string>>;

/** A certificate of an app, with its key. */
export interface IssuedCertificate {
  readonly certificate: Der;
  /** PKCS #8. */
  readonly privateKey: Uint8Array;
}

function name(parts: Name): Der {
  const known = Object.entries(ATTRIBUTES).flatMap(([key, number]) => {
    const text = parts[key as keyof typeof ATTRIBUTES];
    return text === undefined || text === "" ? [] : [setOf(sequence(oid(number), utf8(text)))];
  });
  return sequence(...known);
}

const extension = (number: string, critical: boolean, value: Der): Der =>
  sequence(oid(number), ...critical ? [truth] : [], octets(value));

const publicBytes = (key: KeyObject): Uint8Array => key.export({ type: "spki", format: "der" });

/** The identifier of a key: a digest of it. */
const keyId = (key: KeyObject): Uint8Array =>
  createHash("sha256").update(publicBytes(key)).digest().subarray(0, 20);

interface Content {
  readonly issuer: Name;
  readonly subject: Name;
  readonly key: KeyObject;
  readonly authority: SigningKey;
  readonly from: number;
  readonly until: number;
  readonly serial: Uint8Array;
  readonly extensions: readonly Der[];
}

function certificate(content: Content): Der {
  const { issuer, subject, key, authority, from, until, serial, extensions } = content;
  const body = sequence(
    context(0, integer(Uint8Array.of(2))),
    integer(serial),
    ALGORITHM,
    name(issuer),
    sequence(time(from), time(until)),
    name(subject),
    publicBytes(key),
    context(3, sequence(...extensions)),
  );
  return sequence(body, ALGORITHM, bits(sign("sha256", body, authority.privateKey)));
}

const uri = (id: string): Der =>
  extension("2.5.29.17", false, sequence(implicit(6, new TextEncoder().encode(id))));
const subjectKey = (key: KeyObject): Der => extension("2.5.29.14", false, octets(keyId(key)));
const authorityKey = (key: KeyObject): Der =>
  extension("2.5.29.35", false, sequence(implicit(0, keyId(key))));

const authorityName = (trustDomain: string): Name => ({
  organization: "rkt",
  commonName: trustDomain.slice(0, 64),
});

/** The certificate of the host's authority. It has the same key each time that it is made, and another signature. */
export function authorityCertificate(authority: SigningKey, trustDomain: string): Der {
  const of = authorityName(trustDomain);
  return certificate({
    issuer: of,
    subject: of,
    key: authority.publicKey,
    authority,
    from: Date.UTC(2020),
    until: Date.UTC(2049),
    serial: keyId(authority.publicKey).subarray(0, 16),
    extensions: [
      extension("2.5.29.19", true, sequence(truth)), // basicConstraints: an authority
      extension("2.5.29.15", true, bits(Uint8Array.of(0b0000_0110), 1)), // keyCertSign, cRLSign
      subjectKey(authority.publicKey),
      uri(domainId(trustDomain)),
    ],
  });
}

/** Makes a key for an app, and its certificate. */
export function issueCertificate(
  authority: SigningKey,
  identity: PodIdentity,
  now = Date.now(),
): IssuedCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const serial = crypto.getRandomValues(new Uint8Array(16));
  const made = certificate({
    issuer: authorityName(identity.trustDomain),
    subject: {
      organization: "rkt",
      commonName: identity.app.slice(0, 64),
      unit: identity.pod,
      description: `${identity.imageName} ${identity.imageId}`.trim(),
    },
    key: publicKey,
    authority,
    from: now - EARLIER,
    until: now + CERTIFICATE_LIFE,
    serial,
    extensions: [
      extension("2.5.29.15", true, bits(Uint8Array.of(0b1000_0000), 7)), // digitalSignature
      extension(
        "2.5.29.37",
        false,
        sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")), // serverAuth, clientAuth
      ),
      extension("2.5.29.19", true, sequence()),
      subjectKey(publicKey),
      authorityKey(authority.publicKey),
      uri(spiffeId(identity)),
    ],
  });
  return { certificate: made, privateKey: privateKey.export({ type: "pkcs8", format: "der" }) };
}
