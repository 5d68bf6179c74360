/**
 * Sentences of the runtime specification, each with a configuration that it is about, and what the plan of `create` then has. What
 * only a container that runs can show is in tests/oci.
 */

/** Changes to a configuration that has little in it. */
export interface Configured {
  readonly process?: Readonly<Record<string, unknown>> | undefined;
  readonly linux?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** What is expected of the plan: texts in their order, the absence of one, or that there is none and why. */
export type Expected =
  | { readonly has: readonly RegExp[] }
  | { readonly lacks: RegExp }
  | { readonly refuses: RegExp };

/** A sentence. */
export interface Sentence {
  readonly says: string;
  readonly of: Configured;
  readonly expected: Expected;
}

/** The plan has steps that look like these, one behind the other. */
export const has = (says: string, of: Configured, ...all: readonly RegExp[]): Sentence => ({
  says,
  of,
  expected: { has: all },
});

/** No step of the plan looks like this. */
export const lacks = (says: string, of: Configured, what: RegExp): Sentence => ({
  says,
  of,
  expected: { lacks: what },
});

/** There is no plan, and the error says this. */
export const refuses = (says: string, of: Configured, why: RegExp): Sentence => ({
  says,
  of,
  expected: { refuses: why },
});
