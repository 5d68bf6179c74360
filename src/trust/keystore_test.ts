import assert from "node:assert/strict";
import { parseFingerprint } from "./fingerprint.ts";
import {
  addKeyFile,
  allKeyFiles,
  keyFilesFor,
  parsePrefix,
  revokeKeyFile,
  trustedKeyFiles,
} from "./keystore.ts";
import { type Keystore, ROOT } from "./scopes.ts";

const A = parseFingerprint("a".repeat(40));
const B = parseFingerprint("b".repeat(40));

function withKeystore(test: (keystore: Keystore) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    test({ system: `${directory}/lib`, local: `${directory}/etc` });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function shipped(keystore: Keystore, path: string, content = "key"): void {
  const full = `${keystore.system}/trustedkeys/${path}`;
  Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(full, content);
}

Deno.test("trustedKeyFiles() finds the roots and the prefixes that are path ancestors", () => {
  withKeystore((keystore) => {
    addKeyFile(keystore, ROOT, A, "root");
    addKeyFile(keystore, "example.com/app", B, "app");
    const names = (name: string) => trustedKeyFiles(keystore, name).map((file) => file.fingerprint);
    assert.deepEqual(names("example.com/app"), [A, B]);
    assert.deepEqual(names("example.com/app/sub"), [A, B]);
    assert.deepEqual(names("example.com/apple"), [A]);
    assert.deepEqual(names("example.com"), [A]);
    assert.deepEqual(names("../../etc"), [A]);
  });
});

Deno.test("trustedKeyFiles() tells keys of OpenPGP from those of registries", () => {
  withKeystore((keystore) => {
    const C = parseFingerprint("c".repeat(64));
    addKeyFile(keystore, "example.com", A, "openpgp");
    addKeyFile(keystore, "example.com", C, "pem", "pem");
    const of = (kind?: "openpgp" | "pem") =>
      trustedKeyFiles(keystore, "example.com/app", kind).map(({ fingerprint }) => fingerprint);
    assert.deepEqual([of(), of("openpgp"), of("pem")], [[A], [A], [C]]);
  });
});

Deno.test("addKeyFile() makes rkt's layout with its modes whatever the umask", () => {
  withKeystore((keystore) => {
    const umask = Deno.umask(0o077);
    try {
      const path = addKeyFile(keystore, "example.com/app", A, "armour");
      assert.equal(path, `${keystore.local}/trustedkeys/prefix.d/example.com/app/${A}`);
      assert.equal(Deno.readTextFileSync(path), "armour");
      assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o644);
      const prefix = Deno.statSync(`${keystore.local}/trustedkeys/prefix.d/example.com`);
      assert.equal((prefix.mode ?? 0) & 0o777, 0o755);
      const names = [...Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))];
      assert.deepEqual(names.map((entry) => entry.name), [A]);
    } finally {
      Deno.umask(umask);
    }
  });
});

Deno.test("an empty local file masks the system's key of the same path only", () => {
  withKeystore((keystore) => {
    shipped(keystore, `prefix.d/example.com/${A}`);
    shipped(keystore, `root.d/${B}`);
    assert.equal(trustedKeyFiles(keystore, "example.com/app").length, 2);
    assert.equal(revokeKeyFile(keystore, "example.com", A), "masked");
    assert.deepEqual(trustedKeyFiles(keystore, "example.com/app").map((f) => f.fingerprint), [B]);
    assert.deepEqual(
      keyFilesFor(keystore, "example.com/app").map((f) => [f.origin, f.masked]),
      [["system", false], ["system", true], ["local", true]],
    );
    addKeyFile(keystore, "example.com", A, "back");
    assert.equal(
      trustedKeyFiles(keystore, "example.com/app").some((f) => f.origin === "local"),
      true,
    );
  });
});

Deno.test("revokeKeyFile() removes a local key, and says where a key is not trusted", () => {
  withKeystore((keystore) => {
    addKeyFile(keystore, ROOT, A, "key");
    assert.throws(() => revokeKeyFile(keystore, "example.com", A), /is not trusted for prefix/);
    assert.equal(revokeKeyFile(keystore, ROOT, A), "removed");
    assert.throws(() => revokeKeyFile(keystore, ROOT, A), /is not trusted for every image/);
    assert.deepEqual(allKeyFiles(keystore), []);
  });
});

Deno.test("revokeKeyFile() removes and masks a key that both halves hold", () => {
  withKeystore((keystore) => {
    shipped(keystore, `root.d/${A}`);
    addKeyFile(keystore, ROOT, A, "key");
    assert.equal(revokeKeyFile(keystore, ROOT, A), "removed and masked");
    assert.deepEqual(trustedKeyFiles(keystore, "example.com"), []);
    assert.throws(() => revokeKeyFile(keystore, ROOT, A), /is not trusted/);
  });
});

Deno.test("allKeyFiles() lists every scope, and files that trust nothing as such", () => {
  withKeystore((keystore) => {
    addKeyFile(keystore, "example.org", A, "key");
    addKeyFile(keystore, "example.com/a/b", B, "key");
    shipped(keystore, "root.d/README");
    assert.deepEqual(
      allKeyFiles(keystore).map((file) => [file.scope, file.fingerprint]),
      [["", undefined], ["example.com/a/b", B], ["example.org", A]],
    );
    assert.deepEqual(trustedKeyFiles(keystore, "example.net"), []);
  });
});

Deno.test("parsePrefix() refuses what is not the beginning of an image name", () => {
  assert.equal(parsePrefix("example.com/app"), "example.com/app");
  for (const bad of ["", "/", "..", "a/../b", "a//b", "A.com", "example.com/", ".hidden", "a\0"]) {
    assert.throws(() => parsePrefix(bad), /is not the beginning of an image name/);
  }
});
