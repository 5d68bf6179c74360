/**
 * Deno's executable for aarch64, so that the packer is tested for it (under qemu-user) and releases are made for it on any
 * machine: the official npm package, from Deno's cache or the npm registry.
 */
import { DENO_VERSION } from "./binary.ts";
import { Failure } from "../src/failure.ts";

const PACKAGE = "@deno/linux-arm64-glibc";

/** The version that rkt is built with. */
const VERSION = DENO_VERSION;

async function deno(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Failure(`${PACKAGE}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

/**
 * Where the executable is; downloaded (41 MB) when the cache does not have it.
 *
 * @throws {Failure} when it can't be had
 */
export async function aarch64Deno(): Promise<string> {
  await deno("cache", "--quiet", "--no-config", "--no-lock", `npm:${PACKAGE}@${VERSION}`);
  const { npmCache }: { npmCache: string } = JSON.parse(
    await deno("info", "--json", "--no-config"),
  );
  for await (const registry of Deno.readDir(npmCache)) {
    const file = `${npmCache}/${registry.name}/${PACKAGE}/${VERSION}/deno`;
    const found = await Deno.stat(file).then((info) => info.isFile, () => false);
    if (found) return file;
  }
  throw new Failure(`${PACKAGE}: not in Deno's npm cache ${npmCache}`);
}
