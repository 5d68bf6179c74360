import type { Command } from "../grammar/command.ts";
import { LATER } from "./unsupported_flags.ts";
import { PRETTY_PRINT } from "./output_flags.ts";

/** The commands for the program itself and its services on the host. */
export const HOST_COMMANDS: readonly Command[] = [
  {
    name: "config",
    group: "Host",
    summary: "Print the configuration, merged, as JSON",
    usage: "[flags]",
    flags: [PRETTY_PRINT],
    arguments: [0, 0],
    examples: ["rkt config", "rkt config --local-config=/srv/rkt --pretty-print=false"],
    load: () => import("../help/config.ts"),
  },
  {
    name: "metadata-service",
    group: "Host",
    summary: "Serve metadata to pods",
    usage: "[flags]",
    flags: [
      { name: "listen-port", kind: "number", default: "18112", help: "The port to listen on" },
    ],
    arguments: [0, 0],
    examples: ["rkt metadata-service", "rkt metadata-service --listen-port=2375"],
    later: LATER.metadata,
  },
  {
    name: "api-service",
    group: "Host",
    summary: "Serve information about pods and images by gRPC",
    usage: "[flags]",
    flags: [
      {
        name: "listen",
        kind: "text",
        value: "ADDRESS:PORT",
        default: "localhost:15441",
        help: "Where to listen",
      },
    ],
    arguments: [0, 0],
    examples: ["rkt api-service", "rkt api-service --listen=localhost:9000"],
    later: LATER.api,
  },
  {
    name: "completion",
    group: "Host",
    summary: "Print the completion script for a shell",
    usage: "bash|zsh|fish",
    flags: [],
    arguments: [1, 1],
    examples: ["rkt completion bash", "source <(rkt completion bash)"],
    load: () => import("../help/completion.ts"),
  },
  {
    name: "version",
    group: "Host",
    summary: "Print the versions of rkt, of the appc specification and of the runtime",
    usage: "",
    flags: [],
    arguments: [0, 0],
    examples: ["rkt version", "rkt --version"],
    load: () => import("../help/version.ts"),
  },
  {
    name: "help",
    group: "Host",
    summary: "Explain rkt or one of its commands",
    usage: "[COMMAND]",
    flags: [
      {
        name: "man",
        kind: "text",
        value: "DIR",
        help: "Write manual pages of all commands to DIR",
      },
    ],
    examples: ["rkt help image build", "rkt help --man=/usr/local/share/man/man1"],
    load: () => import("../help/help.ts"),
  },
];
