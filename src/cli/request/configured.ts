/** What of the configuration every command heeds: where images and pods are kept. */
import type { ConfigDirectories } from "../../config/config.ts";
import { exists } from "../../linux/exists.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

/** The directories that configuration is read from, the weakest first. */
const directories = ({ systemConfig, localConfig, userConfig }: GlobalFlags): readonly string[] => [
  systemConfig,
  localConfig,
  ...userConfig === undefined ? [] : [userConfig],
];

/** Commands that have no use for images and pods, and work where the configuration is wrong. */
const WITHOUT = ["config", "version", "help", "completion"];

/** Commands that make pods, which the configured stage1 is to run. */
const STARTING = ["run", "prepare", "app sandbox"];

/**
 * An invocation with the data directory that `paths.d` names, unless `--dir` names one, and with the image that `stage1.d`
 * names.
 *
 * @throws {Failure} names the file and the field that is wrong
 */
export async function withConfiguration(invocation: Invocation): Promise<Invocation> {
  const { command: { name }, global } = invocation;
  const has = (kind: string) => directories(global).some((each) => exists(`${each}/${kind}`));
  const hasStage1 = STARTING.includes(name) && has("stage1.d");
  const hasPaths = !global.dirSet && !WITHOUT.includes(name) && has("paths.d");
  if (!hasStage1 && !hasPaths) return invocation;
  const { configuredPaths, configuredStage1 } = await import("../../config/settings.ts");
  const stage1 = hasStage1 ? configuredStage1(configOf(global)) : {};
  const dir = hasPaths ? configuredPaths(configOf(global)).data : undefined;
  return {
    ...invocation,
    global: {
      ...global,
      dir: dir ?? global.dir,
      ...(stage1.name ?? stage1.location) !== undefined && { stage1 },
    },
  };
}

/** The directories that configuration is read from. */
export const configOf = (
  { systemConfig, localConfig, userConfig }: GlobalFlags,
): ConfigDirectories => ({
  system: systemConfig,
  local: localConfig,
  ...userConfig !== undefined && { user: userConfig },
});

/** What a repeated start has to look at again: directories whose files say where images and pods are kept. */
export function configurationDirectories(global: GlobalFlags): readonly string[] {
  const kinds = global.dirSet ? ["stage1.d"] : ["paths.d", "stage1.d"];
  return directories(global).flatMap((each) => kinds.map((kind) => `${each}/${kind}`));
}
