/** How much memory a command takes. */
import { tool } from "../../src/oci/testing/tools.ts";

/** Prints what was resident at most of a child and its children, each for itself, in KB (getrusage(2)). */
const MEASURE = `
import resource, subprocess, sys
child = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
if child.returncode != 0: sys.exit(child.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
`;

/**
 * Runs a command to its end.
 *
 * @returns the most that was resident, in MB
 * @throws {Error} with what it says, where it fails
 */
export async function peakMemory(program: string, ...args: readonly string[]): Promise<number> {
  return Number(await tool("python3", ["-c", MEASURE, program, ...args])) / 1024;
}
