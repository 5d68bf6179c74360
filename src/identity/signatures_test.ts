import assert from "node:assert/strict";
import { bundle, bundleKeys, tokenBundle } from "./bundle.ts";
import { hostKeys } from "./host_keys.ts";
import { signForPod, verifySignature } from "./signatures.ts";
import { issueToken } from "./tokens.ts";

const keysOf = (byte: number) => hostKeys({ bytes: new Uint8Array(32).fill(byte), source: "" });
const KEYS = keysOf(7);
const BUNDLE = bundle(KEYS, "test.example");
const CONTENT = new TextEncoder().encode("order 7");
const POD = {
  trustDomain: "test.example",
  pod: "11111111-2222-3333-4444-555555555555",
  apps: [{ name: "web", image: { id: "sha512-aa", name: "example.com/web" } }],
};
const SIGNATURE = signForPod(KEYS.signatures, POD, CONTENT, 1_000_000);

Deno.test("a signature says who has signed, and when", () => {
  const { sub, iss, iat, rkt } = verifySignature(`${SIGNATURE}\n`, BUNDLE, CONTENT);
  assert.deepEqual([sub, iss, iat], [
    `spiffe://test.example/pod/${POD.pod}`,
    "spiffe://test.example",
    1000,
  ]);
  assert.deepEqual(rkt, {
    pod: POD.pod,
    apps: [{ name: "web", imageID: "sha512-aa", imageName: "example.com/web" }],
  });
});

const [head = "", claims = "", bytes = ""] = SIGNATURE.split(".");
const json = (value: object) =>
  new TextEncoder().encode(JSON.stringify(value)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
const token = issueToken(
  KEYS.tokens,
  { ...POD, app: "web", imageId: "sha512-aa", imageName: "" },
  ["db"],
);
const WRONG: Readonly<Record<string, readonly [signature: string, message: RegExp]>> = {
  "of another algorithm": [`${json({ alg: "none" })}.${claims}.${bytes}`, /no signature of a pod/],
  "that is a token": [token, /no signature of a pod/],
  "with other claims": [`${head}.${json({ sub: "x" })}.${bytes}`, /signature is wrong/],
  "with other bytes": [`${head}.${claims}.${"A".repeat(bytes.length)}`, /signature is wrong/],
  "without bytes": [`${head}.${claims}.`, /signature is wrong/],
  "of another host": [
    signForPod(keysOf(8).signatures, POD, CONTENT),
    /made by no key of the bundle/,
  ],
  "of another content": [
    signForPod(KEYS.signatures, POD, new Uint8Array()),
    /of another content/,
  ],
  "that is nothing": ["", /can't be read/],
  "of four parts": [`${SIGNATURE}.x`, /can't be read/],
};
for (const [what, [signature, message]] of Object.entries(WRONG)) {
  Deno.test(`a signature ${what} is refused`, () => {
    assert.throws(() => verifySignature(signature, BUNDLE, CONTENT), message);
  });
}

Deno.test("openssl verifies a signature by the bundle's key", () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-signature-" });
  try {
    const [key] = bundleKeys(BUNDLE, "rkt-signature");
    const point = Uint8Array.fromBase64(`${key?.x}`, { alphabet: "base64url" });
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410, 4).
    const der = Uint8Array.fromHex(`302a300506032b6570032100${point.toHex()}`).toBase64();
    const files = {
      key: `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`,
      text: `${head}.${claims}`,
      signature: Uint8Array.fromBase64(bytes, { alphabet: "base64url" }),
    };
    for (const [name, content] of Object.entries(files)) {
      if (typeof content === "string") Deno.writeTextFileSync(`${dir}/${name}`, content);
      else Deno.writeFileSync(`${dir}/${name}`, content);
    }
    const verified = (text: string) =>
      new Deno.Command("openssl", {
        cwd: dir,
        args: ["pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", text]
          .concat(["-sigfile", "signature"]),
        ...{ stdout: "null", stderr: "null" },
      }).outputSync().success;
    assert.equal(verified("text"), true);
    assert.equal(verified("key"), false);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("a client of the Workload API gets only keys that it can use, each with an identifier", () => {
  const { keys } = JSON.parse(tokenBundle(KEYS));
  assert.equal(keys.length, 1);
  assert.equal(keys[0].use, "jwt-svid");
  assert.match(keys[0].kid, /^[\w-]{43}$/);
});
