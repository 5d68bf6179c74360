/** What the metadata service answers, before it becomes HTTP. */

/** An answer. */
export interface Reply {
  /** The status (RFC 9110). */
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The type of texts, as the specification writes it. */
const TEXT = "text/plain; charset=us-ascii";

/** A text. */
export const text = (body: string): Reply => ({ status: 200, type: TEXT, body });

/** A JSON document, as it was registered. */
export const json = (body: string): Reply => ({ status: 200, type: "application/json", body });

/** A refusal; the reason is a line for people. */
export const refusal = (status: number, reason: string): Reply => ({
  status,
  type: TEXT,
  body: `${reason}\n`,
});

/** The path is right, the method is not. */
export const otherMethod = (allowed: string): Reply => ({
  ...refusal(405, `only ${allowed} is allowed here`),
  headers: { allow: allowed },
});
