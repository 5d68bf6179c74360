import { deepStrictEqual, match } from "node:assert/strict";
import type { KeyFile } from "../../trust/keystore.ts";
import { parseFingerprint } from "../../trust/fingerprint.ts";
import { keyEntries, keyEntryJson } from "./key_entries.ts";

const FINGERPRINT = parseFingerprint("ab".repeat(20));

const file = (changes: Partial<KeyFile>): KeyFile => ({
  path: "/nowhere/key",
  scope: "",
  origin: "local",
  kind: "openpgp",
  fingerprint: undefined,
  masked: false,
  ...changes,
});

Deno.test("files that trust nothing say why: no name, a mask, a file that can't be read", async () => {
  const [unnamed, mask] = await keyEntries([
    file({}),
    file({ fingerprint: FINGERPRINT, masked: true }),
  ]);
  deepStrictEqual(unnamed?.state, "ignored: not named by fingerprint");
  deepStrictEqual(mask?.state, "masks the system's key");
  for (const kind of ["openpgp", "pem"] as const) {
    const [entry] = await keyEntries([file({ fingerprint: FINGERPRINT, kind })]);
    match(entry?.state ?? "", /nowhere|no such file/i);
    deepStrictEqual(entry?.key, undefined);
  }
});

Deno.test("keyEntryJson() names the scope, and says whether the key counts", async () => {
  const files = [file({}), file({ scope: "example.com", fingerprint: FINGERPRINT, masked: true })];
  const entries = (await keyEntries(files)).map((entry) =>
    JSON.parse(JSON.stringify(keyEntryJson(entry)))
  );
  const common = { kind: "openpgp", origin: "local", path: "/nowhere/key", trusted: false };
  deepStrictEqual(entries, [
    { ...common, scope: "root", state: "ignored: not named by fingerprint" },
    {
      ...common,
      scope: "prefix",
      prefix: "example.com",
      fingerprint: FINGERPRINT,
      state: "masks the system's key",
    },
  ]);
});
