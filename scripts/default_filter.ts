/**
 * Writes stage1/seccomp/default_filter.ts: the filter of system calls that most apps get, so that `rkt run` need not
 * compile it. A test compares; run this when it says so.
 *
 *     deno run -A scripts/default_filter.ts
 */
import { DEFAULT_CAPABILITIES } from "../src/appc/default_capabilities.ts";
import { compile } from "../stage1/seccomp/compile.ts";
import { policyOf } from "../stage1/seccomp/policy.ts";

/** The module's text. */
export function defaultFilterModule(): string {
  const policy = policyOf("default", DEFAULT_CAPABILITIES);
  if (policy === undefined) throw new Error("the default filters");
  const lines = (["x86_64", "aarch64"] as const).map((architecture) =>
    `  ${architecture}:\n    "${btoa(String.fromCharCode(...compile(policy, architecture)))}",\n`
  );
  return `/** Made by scripts/default_filter.ts; don't edit. */

/** The default filter for apps with the default capabilities, by architecture, in base 64. */
export const DEFAULT_FILTER = {\n${lines.join("")}} as const;\n`;
}

if (import.meta.main) {
  const path = new URL("../stage1/seccomp/default_filter.ts", import.meta.url);
  Deno.writeTextFileSync(path, defaultFilterModule());
}
