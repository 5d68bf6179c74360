import { Failure } from "../../src/failure.ts";

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program to its end.
 *
 * @returns what it has printed
 * @throws {Failure} it failed; with what it said
 */
export async function run([program = "", ...args]: readonly string[], options: RunOptions = {}) {
  const { cwd, env } = options;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    ...cwd !== undefined && { cwd },
    env: { LC_ALL: "C.UTF-8", TZ: "UTC", ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Failure(`release: ${program} failed: ${text(stderr).trim()}`);
  return text(stdout);
}
