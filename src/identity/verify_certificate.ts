/** Verifying a certificate of an app offline, by the bundle of its host (X509-SVID, 5). */
import { X509Certificate } from "node:crypto";
import { Failure } from "../failure.ts";
import { bundleKeys } from "./bundle.ts";

/** What a certificate says. */
export interface VerifiedCertificate {
  readonly sub: string;
  /** As the certificate has it: pod, app, image. */
  readonly subject: Readonly<Record<string, string>>;
  readonly exp: number;
}

/**
 * Verifies a certificate in PEM.
 *
 * @throws {Failure} says what is wrong with it
 */
export function verifyCertificate(
  pem: string,
  bundle: string,
  now = Date.now(),
): VerifiedCertificate {
  const certificate = read(pem);
  const authorities = bundleKeys(bundle, "x509-svid").flatMap(({ x5c }) =>
    Array.isArray(x5c) && typeof x5c[0] === "string" ? [read(Uint8Array.fromBase64(x5c[0]))] : []
  );
  if (certificate.ca) {
    throw new Failure("the certificate is that of an authority, and not of an app");
  }
  const signer = authorities.find((each) => certificate.verify(each.publicKey));
  if (signer === undefined) throw new Failure("the certificate is signed by no key of the bundle");
  const until = new Date(certificate.validTo).getTime();
  if (!(new Date(certificate.validFrom).getTime() <= now && now < until)) {
    throw new Failure(`the certificate is valid until ${certificate.validTo}`);
  }
  const names = (certificate.subjectAltName ?? "").split(", ");
  const [id = ""] = names.map((name) => name.replace(/^URI:/, ""));
  const domain = (signer.subjectAltName ?? "").replace(/^URI:/, "");
  if (names.length !== 1 || !id.startsWith(`${domain}/`) || !domain.startsWith("spiffe://")) {
    throw new Failure("the certificate names nobody of the bundle's trust domain");
  }
  const subject = Object.fromEntries(
    certificate.subject.split("\n").map((line): [string, string] => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
  return { sub: id, subject, exp: Math.floor(until / 1000) };
}

function read(bytes: string | Uint8Array<ArrayBuffer>): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch {
    throw new Failure("the certificate can't be read");
  }
}
