import { Failure } from "../../src/failure.ts";

/**
 * Runs a program and gives what it prints on stdout, trimmed.
 *
 * @throws {Failure} with what it says on stderr when it fails
 */
export async function tool(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  if (!success) {
    const said = decoder.decode(stderr).trim().replaceAll("\n", "; ");
    throw new Failure(`${command} ${args.join(" ")}: ${said}`);
  }
  return decoder.decode(stdout).trim();
}
