import { APPC_VERSION } from "../../appc/semver.ts";
import { architectureLabel } from "../../appc/label.ts";
import { RKT_VERSION } from "../../version.ts";
import { print } from "../print/output.ts";

/** `rkt version`: five lines, in the form that rkt has always had. */
export default function run(): Promise<number> {
  const { os, arch } = Deno.build;
  print([
    `rkt Version: ${RKT_VERSION}`,
    `appc Version: ${APPC_VERSION}`,
    `Deno Version: ${Deno.version.deno}`,
    `Deno OS/Arch: ${os}/${architectureLabel(arch)}`,
    "Features: +TPM +SDJOURNAL",
    "",
  ].join("\n"));
  return Promise.resolve(0);
}
