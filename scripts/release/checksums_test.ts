import assert from "node:assert/strict";
import { writeChecksums } from "./checksums.ts";

/** Runs a program with a GnuPG of its own. */
async function run(dir: string, ...[program = "", ...args]: readonly string[]) {
  const { success, stdout } = await new Deno.Command(program, {
    args,
    cwd: `${dir}/out`,
    env: { GNUPGHOME: `${dir}/gpg` },
    stderr: "null",
  }).output();
  return { success, text: new TextDecoder().decode(stdout) };
}

Deno.test("SHA256SUMS is signed by the key that is named, and its signature is of these files alone", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-checksums-" });
  const before = Deno.env.get("GNUPGHOME");
  try {
    Deno.mkdirSync(`${dir}/gpg`, { mode: 0o700 });
    Deno.mkdirSync(`${dir}/out`);
    Deno.writeTextFileSync(`${dir}/out/rkt`, "program");
    const making = ["--batch", "--passphrase", "", "--quick-generate-key", "releases@example.com"];
    assert.ok((await run(dir, "gpg", ...making, "ed25519")).success);
    await writeChecksums(`${dir}/out`, undefined);
    assert.deepEqual([...Deno.readDirSync(`${dir}/out`)].map(({ name }) => name).sort(), [
      "SHA256SUMS",
      "rkt",
    ]);
    Deno.removeSync(`${dir}/out/SHA256SUMS`);
    Deno.env.set("GNUPGHOME", `${dir}/gpg`);
    await writeChecksums(`${dir}/out`, "releases@example.com");
    assert.ok((await run(dir, "sha256sum", "--check", "--strict", "SHA256SUMS")).success);
    const verify = () => run(dir, "gpg", "--verify", "SHA256SUMS.asc", "SHA256SUMS");
    assert.ok((await verify()).success);
    Deno.writeTextFileSync(`${dir}/out/SHA256SUMS`, "\n", { append: true });
    assert.equal((await verify()).success, false);
    await assert.rejects(writeChecksums(`${dir}/out`, "nobody@example.com"), /gpg/);
  } finally {
    await run(dir, "gpgconf", "--kill", "gpg-agent");
    if (before === undefined) Deno.env.delete("GNUPGHOME");
    else Deno.env.set("GNUPGHOME", before);
    Deno.removeSync(dir, { recursive: true });
  }
});
