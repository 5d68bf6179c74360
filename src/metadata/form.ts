/** Forms of HTML in requests: application/x-www-form-urlencoded and multipart/form-data (RFC 7578). */

/** The first value of each field, as bytes: a content to sign need not be a text. */
export type Form = ReadonlyMap<string, Uint8Array>;

/**
 * Reads a form.
 *
 * @returns undefined where the body is no form of the given type
 */
export async function readForm(
  type: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<Form | undefined> {
  if (/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) return urlEncoded(body);
  if (!/^multipart\/form-data\s*;/i.test(type)) return undefined;
  try {
    const fields = new Map<string, Uint8Array>();
    const form = await new Response(body, { headers: { "content-type": type } }).formData();
    for (const [name, value] of form) {
      if (fields.has(name)) continue;
      const bytes = typeof value === "string"
        ? new TextEncoder().encode(value)
        : new Uint8Array(await value.arrayBuffer());
      fields.set(name, bytes);
    }
    return fields;
  } catch {
    return undefined;
  }
}

/** Decoded by hand: URLSearchParams replaces bytes that are no UTF-8, and the signature would be of others. */
function urlEncoded(body: Uint8Array): Form {
  const fields = new Map<string, Uint8Array>();
  const text = Array.from(body, (byte) => String.fromCharCode(byte)).join("");
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const [name, value] = equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    const key = new TextDecoder().decode(unescaped(name));
    if (!fields.has(key)) fields.set(key, unescaped(value));
  }
  return fields;
}

/** A percent sign that begins no escape stands for itself (URL Standard, "percent-decode"). */
function unescaped(text: string): Uint8Array {
  const bytes = text.replaceAll("+", " ")
    .replace(
      /%([0-9A-Fa-f]{2})/g,
      (_, digits: string) => String.fromCharCode(parseInt(digits, 16)),
    );
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}
