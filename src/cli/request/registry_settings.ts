/** What commands that speak with registries hand to src/registry. */
import { printNote } from "../../linux/printable.ts";
import type { RegistrySettings } from "../../registry/registries.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

/** The settings of the global flags. */
export function registrySettings(global: GlobalFlags): RegistrySettings {
  const { systemConfig, localConfig, userConfig, caFile } = global;
  return {
    config: {
      system: systemConfig,
      local: localConfig,
      ...userConfig !== undefined && { user: userConfig },
    },
    insecure: global.insecureOptions,
    ...caFile !== undefined && { caFile },
    ...global.debug && { debug: (line: string) => printNote(`registry: ${line}`) },
  };
}
