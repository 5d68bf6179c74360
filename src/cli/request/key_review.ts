/** Asks a person whether a key is the right one. */
import { printableLine } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import type { KeyInQuestion } from "../../fetch/fetch_session.ts";
import { groupedFingerprint } from "../../trust/fingerprint.ts";
import { scopeText } from "../../trust/keystore.ts";
import type { SigningKey } from "../../trust/image/signing_key.ts";
import type { PublicKey } from "../../trust/public_key.ts";

/** The text that a person compares: fingerprint, subkeys, and claimed identities. */
export function keyText(
  { fingerprint, algorithm, subkeys, identities, ...key }: PublicKey,
): string {
  const state = key.revoked
    ? "revoked by its owner"
    : key.expires === undefined
    ? undefined
    : `expires ${key.expires.toISOString().slice(0, 10)}`;
  return [
    `gpg key fingerprint is: ${groupedFingerprint(fingerprint)} (${algorithm})`,
    ...subkeys.map((subkey) =>
      `    Subkey fingerprint: ${groupedFingerprint(subkey.fingerprint)} (${subkey.algorithm})`
    ),
    ...identities.map((identity) => `\t${printableLine(identity)}`),
    ...state === undefined ? [] : [`\t${state}`],
  ].join("\n") + "\n";
}

/**
 * Shows a key and asks on the terminal whether to trust it.
 *
 * @param print prints the text; standard output may be in use for something else
 * @throws {Failure} where there is no terminal to ask on
 */
export function reviewKey(
  { key, prefix, location }: KeyInQuestion,
  print: (text: string) => void,
): boolean {
  return review({ fingerprint: key.fingerprint, text: keyText(key) }, { prefix, location }, print);
}

/** Shows a key of cosign and asks, as {@linkcode reviewKey} does. */
export function reviewSigningKey(
  { fingerprint, algorithm }: Pick<SigningKey, "fingerprint" | "algorithm">,
  asked: Pick<KeyInQuestion, "prefix" | "location">,
  print: (text: string) => void,
): boolean {
  const text = `key fingerprint (SHA-256) is: ${fingerprint} (${algorithm})\n`;
  return review({ fingerprint, text }, asked, print);
}

function review(
  key: { readonly fingerprint: string; readonly text: string },
  { prefix, location }: Pick<KeyInQuestion, "prefix" | "location">,
  print: (text: string) => void,
): boolean {
  if (!Deno.stdin.isTerminal()) {
    const scope = prefix === "" ? "--root" : `--prefix=${prefix}`;
    throw new Failure(
      `key ${key.fingerprint} from ${location} has to be reviewed, and there is no terminal to ask on; ` +
        `run at one: rkt trust ${scope} ${location} (or, with a fingerprint that was compared before, add ` +
        "--skip-fingerprint-review)",
    );
  }
  print(key.text);
  for (;;) {
    print(`Are you sure you want to trust this key for ${scopeText(prefix)} (yes/no)?\n`);
    const answer = readAnswer();
    if (answer === undefined || answer === "no") return false;
    if (answer === "yes") return true;
    print('Please enter "yes" or "no"\n');
  }
}

/** A line of the terminal, or undefined at its end. */
function readAnswer(): string | undefined {
  const buffer = new Uint8Array(256);
  const count = Deno.stdin.readSync(buffer);
  if (count === null) return undefined;
  return new TextDecoder().decode(buffer.subarray(0, count)).trim().toLowerCase();
}
