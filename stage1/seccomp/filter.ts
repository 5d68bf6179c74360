/** The filter of an app: from the isolators in its manifest to bytes. */
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import type { Isolator, SeccompSet } from "../../src/appc/isolator.ts";
import { Failure } from "../../src/failure.ts";
import { capabilityName } from "../../src/linux/capabilities.ts";
import type { Architecture } from "../engine/machine/engine.ts";
import { DEFAULT_FILTER } from "./default_filter.ts";
import type { SystemCallFilter, SystemCalls } from "../pod.ts";

/** What an app's isolators say about system calls. */
export function systemCalls(isolators: readonly Isolator[]): SystemCalls {
  return isolators.find((each): each is Isolator & SeccompSet =>
    each.kind === "os/linux/seccomp-retain-set" || each.kind === "os/linux/seccomp-remove-set"
  ) ?? "default";
}

/**
 * Makes the filter of an app. Undefined if all calls are allowed. The filter that most apps have was compiled when rkt
 * was built.
 *
 * @param capabilities the numbers of those that the app may have
 * @throws {Failure} on an unknown error name, and if the app could not be started
 */
export async function systemCallFilter(
  app: string,
  isolators: readonly Isolator[],
  capabilities: readonly number[],
  architecture: Architecture,
): Promise<SystemCallFilter | undefined> {
  const calls = systemCalls(isolators);
  const names = capabilities.map(capabilityName);
  if (calls === "default" && sameSet(names, DEFAULT_CAPABILITIES)) {
    return { program: decoded(DEFAULT_FILTER[architecture]), calls, unknownNames: [] };
  }
  const { policyOf, startable, unknownNames } = await import("./policy.ts");
  const { compile } = await import("./compile.ts");
  try {
    const policy = policyOf(calls, names);
    if (policy === undefined) return undefined;
    if (!startable(policy)) {
      throw new Failure(`app "${app}": without execve it can't be started; allow that call`);
    }
    const unknown = calls === "default" ? [] : unknownNames(calls);
    return { program: compile(policy, architecture), calls, unknownNames: unknown };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Failure(`app "${app}": seccomp: ${error.message}`);
  }
}

const sameSet = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((each) => others.includes(each));

/** The bytes of a text in base 64. */
function decoded(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
