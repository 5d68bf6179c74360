/** Commands that only rkt itself calls. Help and completion do not show them. */
import type { Command } from "../grammar/command.ts";

/** The command that a pod's supervisor runs at the pod's end if external plugins have to be called. */
const NET_TEARDOWN: Command = {
  name: "net-teardown",
  group: "Host",
  summary: "Take down the networks of a pod that has ended",
  usage: "UUID",
  flags: [],
  arguments: [1, 1],
  examples: ["rkt net-teardown 5bcb3fa2", "rkt --dir=/srv/rkt net-teardown 5bcb3fa2"],
  load: () => import("../pod/net_teardown.ts"),
};

/** The command that makes the network which pods of a user share, and becomes its holder. */
const NET_HOLD: Command = {
  name: "net-hold",
  group: "Host",
  summary: "Hold the network that pods of a user share",
  usage: "UUID",
  flags: [],
  arguments: [1, 1],
  examples: ["rkt net-hold 5bcb3fa2", "rkt --dir=/srv/rkt net-hold 5bcb3fa2"],
  load: () => import("../pod/net_hold.ts"),
};

/** The table for a command line: an internal command is called by its whole name, with the UUID behind it. */
export function internalCommands(argv: readonly string[]): readonly Command[] {
  return [NET_TEARDOWN, NET_HOLD].filter(({ name }) => argv.at(-2) === name);
}
