/** `rkt oci`, where flags of rkt itself stand before it. */
import type { Invocation } from "../grammar/command.ts";
import { oci } from "./oci.ts";

/** Runs the command. */
export default async function run({ args }: Invocation): Promise<number> {
  return await oci(args);
}
