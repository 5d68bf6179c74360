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

/** The table for a command line: an internal command is called by its whole name, with the UUID behind it. */
export function internalCommands(argv: readonly string[]): readonly Command[] {
  return argv.at(-2) === NET_TEARDOWN.name ? [NET_TEARDOWN] : [];
}
