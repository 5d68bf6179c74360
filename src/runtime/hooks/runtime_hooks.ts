/** Hooks behind a container's start and end: programs that get its state as their input. */
import { printNote } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import type { ContainerHook } from "../../../stage1/container/container.ts";

/**
 * Runs hooks behind the start, one after the other.
 *
 * @throws {Failure} one has failed; the others are not run
 */
export async function runStartHooks(
  hooks: readonly ContainerHook[],
  state: unknown,
): Promise<void> {
  for (const [i, hook] of hooks.entries()) {
    const why = await failureOf(hook, state);
    if (why === undefined) continue;
    throw new Failure(`error running poststart hook ${i} (${hook.path}): ${why}`, 1);
  }
}

/** Runs hooks behind the end, one after the other. What fails is said, and the others run all the same (runtime.md, "Lifecycle"). */
export async function runRuntimeHooks(
  point: string,
  hooks: readonly ContainerHook[],
  state: unknown,
): Promise<void> {
  for (const [i, hook] of hooks.entries()) {
    const why = await failureOf(hook, state);
    if (why !== undefined) {
      printNote(`rkt oci: warning: ${point} hook ${i} (${hook.path}): ${why}`);
    }
  }
}

/** Runs a hook; what has failed. */
async function failureOf(hook: ContainerHook, state: unknown): Promise<string | undefined> {
  try {
    await runHook(hook, JSON.stringify(state));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function runHook(hook: ContainerHook, input: string): Promise<void> {
  const variables = hook.environment.map((each): [string, string] => {
    const at = each.indexOf("=");
    return at < 1 ? [each, ""] : [each.slice(0, at), each.slice(at + 1)];
  });
  const child = new Deno.Command(hook.path, {
    args: hook.arguments.slice(1),
    clearEnv: true,
    env: Object.fromEntries(variables),
    stdin: "piped",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const timer = hook.timeout === undefined
    ? undefined
    : setTimeout(() => child.kill("SIGKILL"), hook.timeout * 1000);
  try {
    const writer = child.stdin.getWriter();
    // A hook need not read.
    await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
    const { success, code } = await child.status;
    if (!success) throw new Error(`exit status ${code}`);
  } finally {
    clearTimeout(timer);
  }
}
