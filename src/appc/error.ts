/** A value that breaks a rule of the App Container specification: which field, and which rule. */
export class AppcError extends Error {
  override readonly name: string = "AppcError";

  /**
   * @param field where the value stands, like `app.ports[2].port`; empty for a value on its own
   * @param reason the rule that it breaks, with the value, like `70000 is not between 1 and 65535`
   */
  constructor(readonly field: string, readonly reason: string) {
    super(field === "" ? reason : `${field}: ${reason}`);
  }
}

/** A value as an error shows it: JSON, cut after 60 characters, on one line. */
export function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : "an object";
  }
  const text = typeof value === "string"
    ? JSON.stringify(value.length > 60 ? value.slice(0, 60) + "…" : value)
    : String(value);
  return text;
}
