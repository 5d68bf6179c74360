/** SHA256SUMS of a release, and its signature. */
import { run } from "./run.ts";

/**
 * Writes SHA256SUMS of all files of a directory.
 *
 * @param key names a key of GnuPG (gpg(1), `--local-user`), which signs it in SHA256SUMS.asc; undefined for no signature
 */
export async function writeChecksums(dir: string, key: string | undefined): Promise<void> {
  const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  const sums = await run(["sha256sum", ...names], { cwd: dir });
  await Deno.writeTextFile(`${dir}/SHA256SUMS`, sums);
  if (key === undefined) return;
  await run(
    ["gpg", "--batch", "--yes", "--armor", "--local-user", key, "--detach-sign", "SHA256SUMS"],
    { cwd: dir },
  );
}
