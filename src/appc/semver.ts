import { isNumeral } from "./characters.ts";
import { AppcError, shown } from "./error.ts";

/** A version by semver.org, as `acVersion` holds one. */
export interface SemVer {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** What stands behind `-`, like `rc.1`; empty for a release. */
  readonly preRelease: string;
  /** What stands behind `+`; empty mostly. */
  readonly metadata: string;
}

/** The version of the App Container specification that this program implements. */
export const APPC_VERSION = "0.8.11";

const WORDS = /^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$/;

/**
 * Reads a version. 0.0.0 is refused, like the specification's own implementation does.
 *
 * @throws {AppcError}
 */
export function parseSemVer(value: unknown, at = ""): SemVer {
  const text = typeof value === "string" ? value : "";
  const [release = "", metadata] = splitOnce(text, "+");
  const [numbers = "", preRelease] = splitOnce(release, "-");
  const words = [preRelease, metadata].every((each) => each === undefined || WORDS.test(each));
  const parts = numbers.split(".");
  if (parts.length !== 3 || !parts.every(isPart) || !words) {
    throw new AppcError(at, `${shown(value)} is not a version like 0.8.11`);
  }
  const [major = 0, minor = 0, patch = 0] = parts.map(Number);
  const version = { major, minor, patch, preRelease: preRelease ?? "", metadata: metadata ?? "" };
  if (version.major + version.minor + version.patch === 0) {
    throw new AppcError(at, `${shown(value)} is not a version: 0.0.0 is not allowed`);
  }
  return version;
}

/**
 * Checks `acVersion`: another major version than one of `majors` is another format.
 *
 * @returns the version's text
 * @throws {AppcError}
 */
export function parseAcVersion(value: unknown, at: string, majors: readonly number[]): string {
  const { major } = parseSemVer(value, at);
  if (!majors.includes(major)) {
    throw new AppcError(
      at,
      `${shown(value)} is not compatible: this is an implementation of ${APPC_VERSION}`,
    );
  }
  return String(value);
}

function isPart(text: string): boolean {
  return text.length < 10 && isNumeral(text);
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const index = text.indexOf(separator);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}
