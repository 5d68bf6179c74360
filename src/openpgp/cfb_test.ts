import assert from "node:assert/strict";
import { concat } from "../linux/bytes.ts";
import { libcrypto } from "./libcrypto.ts";
import { cfb, type Direction } from "./cfb.ts";

const bytesOf = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");

/** What a cipher makes of bytes that come in steps. */
function changed(
  key: Uint8Array,
  direction: Direction,
  bytes: Uint8Array,
  step: number,
  library: Parameters<typeof cfb>[2],
): string {
  using cipher = cfb(key, direction, library);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    const part = bytes.slice(at, at + step);
    cipher.update(part);
    parts.push(part);
  }
  return hex(concat(...parts));
}

async function openssl(key: Uint8Array, bytes: Uint8Array): Promise<string> {
  const iv = "0".repeat(32);
  const child = new Deno.Command("openssl", {
    args: ["enc", `-aes-${key.length * 8}-cfb`, "-K", hex(key), "-iv", iv],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  return hex((await child.output()).stdout);
}

for (const size of [16, 24, 32]) {
  Deno.test(`AES-${size * 8} in CFB is what openssl makes, by libcrypto and without it`, async () => {
    for (const length of [1, 15, 16, 17, 500, 4096, 5001]) {
      const [key, plain] = [bytesOf(size), bytesOf(length)];
      const expected = await openssl(key, plain);
      for (const library of [libcrypto() ?? "none", "none"] as const) {
        for (const step of [16, 160, 8192]) {
          const what = `${length} bytes, ${step} at once, library ${library !== "none"}`;
          // Deno's node:crypto has no CBC of AES-192; rkt encrypts by AES-256 alone.
          if (size !== 24 || library !== "none") {
            assert.equal(changed(key, "encrypt", plain, step, library), expected, what);
          }
          const again = Uint8Array.from(expected.match(/../g) ?? [], (each) => parseInt(each, 16));
          assert.equal(changed(key, "decrypt", again, step, library), hex(plain), what);
        }
      }
    }
  });
}
