/** Files by which the system says what users may do. */
import { ifThere } from "../linux/exists.ts";

/** The text of a file; empty where there is none. */
export function systemText(path: string): string {
  return ifThere(() => Deno.readTextFileSync(path)) ?? "";
}

/** The value of a sysctl, by its name with dots (sysctl(8)); empty where the kernel has it not. */
export const sysctlValue = (name: string): string =>
  systemText(`/proc/sys/${name.replaceAll(".", "/")}`).trim();
