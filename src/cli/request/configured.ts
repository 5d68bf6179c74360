/** What of the configuration every command heeds: where images and pods are kept. */
import type { ConfigDirectories } from "../../config/config.ts";
import { exists } from "../../linux/exists.ts";
import { printNote } from "../../linux/printable.ts";
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

/** Commands that would run pods by the configured stage1. */
const STARTING = ["run", "prepare", "run-prepared", "app sandbox"];

/**
 * An invocation with the data directory that `paths.d` names, unless `--dir` names one; and a word about what of
 * `stage1.d` has no effect.
 *
 * @throws {Failure} names the file and the field that is wrong
 */
export async function withConfiguration(invocation: Invocation): Promise<Invocation> {
  const { command: { name }, global } = invocation;
  const has = (kind: string) => directories(global).some((each) => exists(`${each}/${kind}`));
  if (STARTING.includes(name) && has("stage1.d")) await warnOfStage1(name, global);
  if (global.dirSet || WITHOUT.includes(name) || !has("paths.d")) return invocation;
  const dir = await configuredDirectory(global) ?? global.dir;
  return { ...invocation, global: { ...global, dir } };
}

/** What `paths.d` says; undefined where it says nothing. */
async function configuredDirectory(global: GlobalFlags): Promise<string | undefined> {
  const { configuredPaths } = await import("../../config/settings.ts");
  return configuredPaths(configOf(global)).data;
}

async function warnOfStage1(command: string, global: GlobalFlags): Promise<void> {
  const { configuredStage1 } = await import("../../config/settings.ts");
  const { name, location } = configuredStage1(configOf(global));
  const chosen = location ?? name;
  if (chosen === undefined) return;
  printNote(
    `${command}: warning: the configuration chooses stage1 ${chosen}; this has no effect: other flavors come later`,
  );
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
