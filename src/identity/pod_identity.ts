/** Who a process is, as documents name it (SPIFFE-ID). */
import { Failure } from "../failure.ts";

/** An app of a pod. */
export interface PodIdentity {
  /** Like `host.example`: the name of whoever signs. */
  readonly trustDomain: string;
  readonly pod: string;
  readonly app: string;
  readonly imageId: string;
  /** Empty where the pod's manifest names none. */
  readonly imageName: string;
}

/** `spiffe://DOMAIN/pod/UUID/APP` */
export const spiffeId = ({ trustDomain, pod, app }: PodIdentity): string =>
  `${domainId(trustDomain)}/pod/${pod}/${app}`;

/** The ID of a whole trust domain. */
export const domainId = (trustDomain: string): string => `spiffe://${trustDomain}`;

/** Characters of a trust domain (SPIFFE-ID, 2.1). */
const DOMAIN = /^[a-z0-9._-]{1,255}$/;

/**
 * Checks the name of a trust domain.
 *
 * @throws {Failure}
 */
export function parseTrustDomain(text: string): string {
  if (DOMAIN.test(text)) return text;
  throw new Failure(
    `--trust-domain: ${
      JSON.stringify(text)
    } is no trust domain: lower-case letters, digits, dots, dashes`,
  );
}

/** The trust domain where nobody names one: the host's name. */
export const defaultTrustDomain = (hostname: string): string =>
  hostname.toLowerCase().replace(/[^a-z0-9._-]/g, "-").slice(0, 255) || "localhost";
