/** What keys are trusted for, and where the keystore has them; on the way of `rkt run`. See keystore.ts. */

/** The configuration directories that hold the two halves of the keystore. */
export interface Keystore {
  /** `--system-config`, by default `/usr/lib/rkt`; never written to. */
  readonly system: string;
  /** `--local-config`, by default `/etc/rkt`. */
  readonly local: string;
}

/** What a key is trusted for: `""` for every name, else a prefix such as `example.com/app`. */
export type TrustScope = string;

/** The scope of a key that is trusted for every name. */
export const ROOT: TrustScope = "";

/** The scopes that speak about a name: the root, then every path prefix, shortest first. */
export function scopesOf(name: string): TrustScope[] {
  const segments = name.split("/");
  return [ROOT, ...segments.map((_, i) => segments.slice(0, i + 1).join("/"))];
}

/** The directory of a scope's keys below one of the configuration directories. */
export function scopeDirectory(config: string, scope: TrustScope): string {
  const trusted = `${config}/trustedkeys`;
  return scope === ROOT ? `${trusted}/root.d` : `${trusted}/prefix.d/${scope}`;
}

/** The directory of what is accepted for a scope, below one of the configuration directories. See accepted_wishes.ts. */
export function acceptedDirectory(config: string, scope: TrustScope): string {
  const accepted = `${config}/trustedkeys/accepted.d`;
  return scope === ROOT ? `${accepted}/root.d` : `${accepted}/prefix.d/${scope}`;
}
