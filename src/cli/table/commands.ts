/** The table of all commands: `rkt help`, abbreviations and suggestions are made from it. */

import { APP_COMMANDS } from "./app_commands.ts";
import type { Command } from "../grammar/command.ts";
import { HOST_COMMANDS } from "./host_commands.ts";
import { IMAGE_COMMANDS } from "./image_commands.ts";
import { POD_COMMANDS } from "./pod_commands.ts";
import { PUBLISH_COMMANDS } from "./publish_commands.ts";
import { REGISTRY_COMMANDS } from "./registry_commands.ts";
import { TRUST_COMMANDS } from "./trust_commands.ts";

/** All commands, each group in the order of its help. */
export const COMMANDS: readonly Command[] = [
  ...POD_COMMANDS,
  ...APP_COMMANDS,
  ...IMAGE_COMMANDS,
  ...PUBLISH_COMMANDS,
  ...REGISTRY_COMMANDS,
  ...TRUST_COMMANDS,
  ...HOST_COMMANDS,
];
