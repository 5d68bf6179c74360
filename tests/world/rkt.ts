/** The built binary, for end-to-end tests. */

/** The path of the program under test. */
export const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;

/** How a command has ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs rkt to its end. */
export async function rkt(...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(RKT, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
