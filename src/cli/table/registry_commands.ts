import type { Command } from "../grammar/command.ts";
import { FORMAT } from "./output_flags.ts";

const AUTHFILE = {
  name: "authfile",
  kind: "text",
  value: "FILE",
  help: "The file with the passwords; by default $REGISTRY_AUTH_FILE, or podman's",
} as const;

/** The commands for registries of OCI images. */
export const REGISTRY_COMMANDS: readonly Command[] = [
  {
    name: "login",
    group: "Images",
    summary: "Keep a user and password for a registry of images",
    usage: "[flags] REGISTRY[/NAMESPACE]",
    about: [
      "The password is tried first, and kept in the file that podman and docker read too. Without a file " +
      "of its own that is in /run, and gone after a reboot.",
    ],
    flags: [
      {
        name: "username",
        kind: "text",
        value: "USER",
        help: "Who; asked for by default",
        short: "u",
      },
      {
        name: "password-stdin",
        kind: "switch",
        help: "Read the password from standard input; at a terminal it is asked for",
      },
      AUTHFILE,
    ],
    arguments: [1, 1],
    examples: ["rkt login quay.io", "rkt login --username=me --password-stdin localhost:5000"],
    load: () => import("../registry/login.ts"),
  },
  {
    name: "logout",
    group: "Images",
    summary: "Forget the password for a registry of images",
    usage: "[flags] REGISTRY[/NAMESPACE] | --all",
    flags: [{ name: "all", kind: "switch", help: "All passwords of the file" }, AUTHFILE],
    arguments: [0, 1],
    examples: ["rkt logout quay.io", "rkt logout --all"],
    load: () => import("../registry/logout.ts"),
  },
  {
    name: "image push",
    group: "Images",
    summary: "Push an image of the store to a registry",
    usage: "[flags] IMAGE docker://NAME[:TAG]",
    about: [
      "Prints the digest that the image has there. An App Container Image becomes an OCI image of one layer, " +
      "with what it depends on.",
    ],
    flags: [{ name: "quiet", kind: "switch", help: "Print nothing but the digest" }],
    arguments: [2, 2],
    examples: [
      "rkt image push example.com/app:1 docker://quay.io/team/app:1",
      "rkt image push docker://nginx docker://localhost:5000/nginx",
    ],
    load: () => import("../registry/image_push.ts"),
  },
  {
    name: "image tags",
    group: "Images",
    summary: "List the tags of an image in a registry",
    usage: "[flags] docker://NAME",
    flags: [FORMAT],
    arguments: [1, 1],
    examples: [
      "rkt image tags docker://nginx",
      "rkt image tags --format=json docker://quay.io/app/web",
    ],
    load: () => import("../registry/image_tags.ts"),
  },
];
