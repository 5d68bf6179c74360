import { BUILD } from "../../version.ts";

/** How rkt itself is called: its executable's absolute path, and from its sources what Deno needs to run them. */
export function ownCommand(): readonly string[] {
  const sources = BUILD === undefined ? ["run", "-A", Deno.mainModule] : [];
  return [Deno.execPath(), ...sources];
}
