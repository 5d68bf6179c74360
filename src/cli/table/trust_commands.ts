import type { Command } from "../grammar/command.ts";
import { FORMAT, NO_LEGEND, OVERWRITE } from "./output_flags.ts";

/** `--keys`, of commands that use keys to sign with. */
export const KEYS = {
  name: "keys",
  kind: "text",
  value: "DIR",
  help: "Where the keys are; ~/.config/rkt/keys by default",
} as const;

/** The commands for keys that sign images. */
export const TRUST_COMMANDS: readonly Command[] = [
  {
    name: "trust",
    group: "Trust",
    summary: "Trust a key to sign images whose names begin with a prefix",
    usage: "--prefix=PREFIX | --root [flags] [KEY ...]",
    about: [
      "A key is a file or URL. Without one, keys are discovered by the prefix.",
      "Images in registries are signed by GnuPG or by cosign. The prefix for them is REGISTRY/NAME, like " +
      "quay.io/team; for Docker Hub docker.io/library/nginx.",
      "With --accept-isolators, signed images of the prefix get what they ask for beyond the default, as " +
      "with that flag of `rkt run`. Keys are then discovered only where none is trusted for the prefix yet.",
    ],
    flags: [
      {
        name: "prefix",
        kind: "text",
        value: "PREFIX",
        help: "Trust the key for images whose names begin with this",
      },
      { name: "root", kind: "switch", help: "Trust the key for all images" },
      {
        name: "key",
        kind: "texts",
        value: "FILE",
        help: "A public key of cosign (PEM), for images in registries",
      },
      {
        name: "accept-isolators",
        kind: "switch",
        help:
          "Remember that images of the prefix get the capabilities, system calls and the like that they ask for",
      },
      {
        name: "skip-fingerprint-review",
        kind: "switch",
        help: "Don't ask whether the key is the right one",
      },
      {
        name: "insecure-allow-http",
        kind: "switch",
        help: "Allow keys to be fetched without encryption",
      },
    ],
    examples: [
      "rkt trust --prefix=example.com/app ./key.asc",
      "rkt trust --prefix=example.com/flannel --accept-isolators",
    ],
    load: () => import("../trust/trust.ts"),
  },
  {
    name: "trust list",
    group: "Trust",
    summary: "List trusted keys, and what is accepted of images",
    usage: "[flags]",
    flags: [NO_LEGEND, FORMAT],
    arguments: [0, 0],
    examples: ["rkt trust list", "rkt trust list --format=json"],
    load: () => import("../trust/trust_list.ts"),
  },
  {
    name: "trust revoke",
    group: "Trust",
    summary: "Trust a key no longer, or accept no longer what images ask for",
    usage: "--prefix=PREFIX | --root FINGERPRINT | --accept-isolators",
    flags: [
      { name: "prefix", kind: "text", value: "PREFIX", help: "No longer for this prefix" },
      { name: "root", kind: "switch", help: "No longer for all images" },
      {
        name: "accept-isolators",
        kind: "switch",
        help: "Take back what was accepted for the prefix, in place of a key",
      },
    ],
    arguments: [0, 1],
    examples: [
      "rkt trust revoke --prefix=example.com 18ad5014c99ef7e3ba5f6ce950bdd3e0fc8a365e",
      "rkt trust revoke --prefix=example.com/flannel --accept-isolators",
    ],
    load: () => import("../trust/trust_revoke.ts"),
  },
  {
    name: "image trust-status",
    group: "Trust",
    summary: "Explain why an image is trusted or not",
    usage: "[flags] IMAGE",
    flags: [FORMAT],
    arguments: [1, 1],
    examples: [
      "rkt image trust-status example.com/app:1.2",
      "rkt image trust-status ./app.aci",
    ],
    load: () => import("../trust/image_trust_status.ts"),
  },
  {
    name: "image sign",
    group: "Trust",
    summary: "Sign images: makes FILE.asc beside each",
    usage: "[flags] FILE ...",
    about: [
      "Without a key it is the only one of `rkt key list`, or else gpg's default key. gpg asks for passphrases " +
      "and cards by itself.",
    ],
    flags: [
      {
        name: "key",
        kind: "texts",
        value: "KEY",
        help:
          "A fingerprint of `rkt key list`, or what gpg knows a key by; several make several signatures",
      },
      { name: "key-file", kind: "texts", value: "FILE", help: "A secret key in a file, armoured" },
      { name: "add", kind: "switch", help: "Keep the signatures that are there" },
      {
        name: "delta",
        kind: "switch",
        help:
          "Also sign the image's ID (FILE.id.asc): others can fetch what differs from an older version",
      },
      KEYS,
      OVERWRITE,
    ],
    arguments: [1, Infinity],
    examples: ["rkt image sign app.aci", "rkt image sign --key=jo@example.com --add app.aci"],
    load: () => import("../image/image_sign.ts"),
  },
  {
    name: "key generate",
    group: "Trust",
    summary: "Make a key to sign images with",
    usage: "[flags] 'NAME <ADDRESS>'",
    about: ["The key is Ed25519, without a passphrase, in a file that only its owner may read."],
    flags: [KEYS],
    arguments: [1, 1],
    examples: [
      "rkt key generate 'Jo <jo@example.com>'",
      "rkt key generate --keys=/root/keys builds@example.com",
    ],
    load: () => import("../key/key_generate.ts"),
  },
  {
    name: "key list",
    group: "Trust",
    summary: "List the keys to sign with",
    usage: "[flags]",
    flags: [KEYS, NO_LEGEND, FORMAT],
    arguments: [0, 0],
    examples: ["rkt key list", "rkt key list --format=json"],
    load: () => import("../key/key_list.ts"),
  },
  {
    name: "key export",
    group: "Trust",
    summary: "Print the public half of a key",
    usage: "[flags] FINGERPRINT",
    flags: [KEYS],
    arguments: [1, 1],
    examples: [
      "rkt key export 18ad5014c99ef7e3ba5f6ce950bdd3e0fc8a365e",
      "rkt key export --keys=/root/keys fc8a365e",
    ],
    load: () => import("../key/key_export.ts"),
  },
];
