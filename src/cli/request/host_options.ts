import { printNote } from "../../linux/printable.ts";
import type { HostOptions } from "../../start/host_options.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { configOf, configurationDirectories } from "./configured.ts";
import { fetchSettings } from "./fetch_settings.ts";

/** The global flags, as src/start needs them. */
export function hostOptions(global: GlobalFlags): HostOptions {
  const { dir, localConfig, insecureOptions } = global;
  return {
    dataDir: dir,
    localConfig,
    config: configOf(global),
    configuration: configurationDirectories(global),
    confinement: {
      allCapabilities: insecureOptions.has("capabilities"),
      allSystemCalls: insecureOptions.has("seccomp"),
    },
    protectPaths: !insecureOptions.has("paths"),
    ...global.debug && { debug: (line: string) => printNote(`run: ${line}`) },
    fetchSettings: (store) => fetchSettings(global, store),
  };
}
