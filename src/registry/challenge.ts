/** How a server says whom it wants to see: `WWW-Authenticate` (RFC 9110 §11.3 and §11.6.1). */

/** One way to authenticate. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** By name in lower case; the first of two of one name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Characters of a header that are read, and challenges in it. */
const MAX_LENGTH = 16_384;
const MAX_CHALLENGES = 32;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN_68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const PARAMETER = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const SEPARATOR = /[ \t,]+/y;
const SPACE = /[ \t]+/y;

/**
 * Reads the challenges of a header; several headers are joined by `, `. What can't be read ends the list.
 */
export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, MAX_LENGTH);
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  while (challenges.length < MAX_CHALLENGES) {
    take(SEPARATOR);
    const scheme = take(TOKEN)?.[0];
    if (scheme === undefined) break;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    if (take(SPACE) === null || take(TOKEN_68) !== null) continue;
    for (;;) {
      const [, name, quoted, plain] = take(PARAMETER) ?? [];
      if (name === undefined) break;
      const value = quoted?.replace(/\\(.)/gs, "$1") ?? plain ?? "";
      if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
      take(SEPARATOR);
    }
  }
  return challenges;
}
