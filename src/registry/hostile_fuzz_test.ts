/** What others wrote, at random and damaged: it is read or refused in one line, and nothing else happens. */
import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../failure.ts";
import { parseConfig } from "../oci/image_config.ts";
import { parseDocument } from "../oci/image_documents.ts";
import { parseOciLocation } from "../oci/location.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { parseReference, referenceText } from "../oci/reference.ts";
import { BlobFixture, jsonBytes } from "../oci/testing/layout_fixture.ts";
import { parseChallenges } from "./challenge.ts";
import { readYaml } from "./lookaside.ts";

/** Runs a reader; what it throws has to be for a person. */
function refused(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    ok(error instanceof Failure, String(error));
    ok(!/\p{Cc}|\p{Cf}/u.test(error.message), JSON.stringify(error.message));
    ok(error.message.length < 2000, error.message);
    return true;
  }
}

const part = fc.string({ unit: fc.constantFrom(..."aZ0-_./:@[]% \u001b\u202e"), maxLength: 20 });
const name = fc.oneof(part, fc.tuple(part, part, part).map(([a, b, c]) => `${a}/${b}:${c}`));

Deno.test("parseReference() refuses a name, or reads what it writes", () => {
  fc.assert(fc.property(name, (text) => {
    if (refused(() => parseReference(text))) return;
    const reference = parseReference(text);
    const whole = referenceText(reference);
    strictEqual(referenceText(parseReference(whole)), whole);
    const url = new URL(`https://${reference.registry}/v2/${reference.repository}/manifests/x`);
    strictEqual(url.pathname, `/v2/${reference.repository}/manifests/x`);
    strictEqual(url.username + url.search + url.hash, "");
  }));
});

Deno.test("parseOciLocation() never throws anything else than a Failure", () => {
  const transport = fc.constantFrom(
    "docker://",
    "oci://",
    "oci:",
    "oci-archive:",
    "docker-archive:",
    "",
  );
  fc.assert(fc.property(transport, name, (scheme, text) => {
    refused(() => parseOciLocation(scheme + text));
  }));
});

/** A value of JSON changed somewhere, or with a field of another document. */
const FIELDS = [
  "manifests",
  "layers",
  "config",
  "mediaType",
  "schemaVersion",
  "fsLayers",
  "subject",
  "Layers",
];

Deno.test("parseDocument() and parseConfig() survive documents with fields of every type", () => {
  const fixture = new BlobFixture();
  fixture.image([new Uint8Array(3)]);
  const documents = [...fixture.blobs.values()]
    .filter((bytes) => bytes.length > 3)
    .map((bytes): Record<string, unknown> => JSON.parse(new TextDecoder().decode(bytes)));
  const good = documents.find((each) => "layers" in each) ?? {};
  const manifest = parseDocument(jsonBytes(good), "x");
  if (manifest.kind !== "manifest") throw new Error("an index");
  const change = fc.tuple(
    fc.constantFrom(...FIELDS, "os", "rootfs", "history"),
    fc.oneof(fc.jsonValue(), fc.constant([{}]), fc.constant({ digest: "x" }), fc.constant(null)),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...documents),
      fc.array(change, { maxLength: 3 }),
      (document, changes) => {
        const bytes = jsonBytes({ ...document, ...Object.fromEntries(changes) });
        for (const type of [undefined, ...Object.values(MANIFEST_TYPES)]) {
          refused(() => parseDocument(bytes, "x", type));
        }
        refused(() => parseConfig(bytes, "x", manifest));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("parseDocument() survives any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    refused(() => parseDocument(bytes, "x"));
  }));
});

Deno.test("parseChallenges() reads any header, and finds what was written", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    ok(parseChallenges(text).length <= 32);
  }));
  const token = fc.stringMatching(/^[a-z]{1,8}$/);
  const value = fc.string({ unit: fc.constantFrom(...'a,=" \\\t/:'), maxLength: 12 });
  const challenge = fc.tuple(
    token,
    fc.array(fc.tuple(token, value), { minLength: 1, maxLength: 4 }),
  );
  fc.assert(fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (wanted) => {
    const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
    const header = wanted.map(([scheme, parameters]) =>
      `${scheme} ${parameters.map(([name, text]) => `${name}=${quoted(text)}`).join(", ")}`
    ).join(", ");
    const found = parseChallenges(header);
    strictEqual(found.length, wanted.length);
    wanted.forEach(([scheme, parameters], index) => {
      strictEqual(found[index]?.scheme, scheme);
      for (const [name, text] of parameters.toReversed()) {
        const first = parameters.find(([other]) => other === name);
        if (first?.[1] === text) strictEqual(found[index]?.parameters.get(name), text);
      }
    });
  }));
});

Deno.test("readYaml() reads maps or refuses a line", () => {
  const line = fc.string({ unit: fc.constantFrom(..."a: \"'#-{[|\n"), maxLength: 40 });
  fc.assert(fc.property(line, (text) => void refused(() => readYaml(text, "f"))));
});
