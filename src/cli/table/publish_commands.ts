import type { Command } from "../grammar/command.ts";
import type { Flag } from "../grammar/flags.ts";
import { OVERWRITE } from "./output_flags.ts";
import { KEYS } from "./trust_commands.ts";

const PASSPHRASE_FILE: Flag = {
  name: "passphrase-file",
  kind: "texts",
  value: "FILE",
  help: "A file whose first line is a passphrase; nobody else may read it",
};

/** The commands for images that go to others. */
export const PUBLISH_COMMANDS: readonly Command[] = [
  {
    name: "image encrypt",
    group: "Images",
    summary: "Encrypt an image to recipients or by a passphrase",
    usage:
      "--recipient=FILE | --passphrase-file=FILE [flags] FILE.aci NEW.aci | IMAGE oci:DIR[:TAG] | …",
    about: [
      "The result is an OpenPGP message, which gpg decrypts too. Sign it then: signatures are over it.",
      "Into oci:DIR, oci-archive:FILE or docker://NAME an image of the store, or of a file, is written with its " +
      "layers encrypted, as skopeo and buildah decrypt them.",
    ],
    flags: [
      {
        name: "recipient",
        kind: "texts",
        value: "FILE",
        help: "A public key, armoured (or, for layers, in PEM), whose owner can decrypt",
      },
      PASSPHRASE_FILE,
      {
        name: "pad",
        kind: "switch",
        help: "Fill the image up, by at most 12 %, so that its size tells less of what is in it",
      },
      OVERWRITE,
    ],
    arguments: [2, 2],
    examples: [
      "rkt image encrypt --recipient=host.asc app.aci app-secret.aci",
      "rkt image encrypt --recipient=host.pub example.com/app:1 docker://registry.example/app:1",
    ],
    load: () => import("../image/image_encrypt.ts"),
  },
  {
    name: "image decrypt",
    group: "Images",
    summary: "Decrypt an image",
    usage: "[flags] FILE.aci NEW.aci | oci:DIR[:TAG] NEW | oci-archive:FILE NEW",
    about: [
      "Without flags by the host's keys, in decryptkeys below the configuration: rkt fetch uses these by itself.",
    ],
    flags: [
      {
        name: "key-file",
        kind: "texts",
        value: "FILE",
        help: "A secret key in a file, armoured (or, for layers, in PEM)",
      },
      PASSPHRASE_FILE,
      OVERWRITE,
    ],
    arguments: [2, 2],
    examples: [
      "rkt image decrypt app-secret.aci app.aci",
      "rkt image decrypt --passphrase-file=secret app-secret.aci app.aci",
    ],
    load: () => import("../image/image_decrypt.ts"),
  },
  {
    name: "image publish",
    group: "Images",
    summary: "Put images into a directory that any web server can serve",
    usage: "--url=URL [flags] DIR FILE.aci ...",
    about: [
      "Writes images, signatures, public keys, an index, and the page by which `rkt fetch NAME` finds them, and keeps " +
      "what was published before. The signature of each (FILE.aci.asc) is verified by one of the keys.",
    ],
    flags: [
      {
        name: "url",
        kind: "text",
        value: "URL",
        help: "Where DIR is on the web; needed the first time",
      },
      {
        name: "public-key",
        kind: "texts",
        value: "FILE",
        help: "A key that signs; those of `rkt key list` count without it",
      },
      {
        name: "mirror",
        kind: "texts",
        value: "URL",
        help: "Where a copy of DIR is; who fetches asks all of them at once",
      },
      {
        name: "torrent",
        kind: "switch",
        help: "Also write torrents, whose seeds are the web servers",
      },
      {
        name: "tracker",
        kind: "text",
        value: "URL",
        help: "A tracker for torrents; it implies --torrent",
      },
      { name: "latest", kind: "switch", help: "Also make it what is found without a version" },
      {
        name: "name",
        kind: "text",
        value: "NAME:VERSION,os=OS,arch=ARCH",
        help: "What an encrypted image is called",
      },
      {
        name: "decryption-keys",
        kind: "text",
        value: "URL",
        help: "Where a server has what decrypts the images, for hosts with credentials",
      },
      KEYS,
      OVERWRITE,
    ],
    arguments: [2, Infinity],
    examples: [
      "rkt image publish --url=https://example.com /srv/www app.aci",
      "rkt image publish --latest --public-key=key.asc /srv/www app-1.3.aci",
    ],
    load: () => import("../publish/image_publish.ts"),
  },
  {
    name: "image bundle",
    group: "Images",
    summary: "Put images, their signatures and public keys into one file",
    usage: "[flags] IMAGE ... BUNDLE",
    about: [
      "An image is FILE.aci, oci-archive:FILE or docker-archive:FILE, with FILE.asc beside it. " +
      "`rkt fetch --from-bundle=BUNDLE` takes it in on another machine, and verifies everything as if it came " +
      "from the network.",
    ],
    flags: [
      {
        name: "public-key",
        kind: "texts",
        value: "FILE",
        help: "A key that goes with the images; those of `rkt key list` do without it",
      },
      KEYS,
      OVERWRITE,
    ],
    arguments: [2, Infinity],
    examples: [
      "rkt image bundle app.aci base.aci oci-archive:web.tar all.bundle",
      "rkt image bundle --public-key=key.asc app.aci app.bundle",
    ],
    load: () => import("../publish/image_bundle.ts"),
  },
  {
    name: "serve",
    group: "Images",
    summary: "Serve a directory of published images, for trying it",
    usage: "[flags] DIR",
    flags: [
      {
        name: "listen",
        kind: "text",
        value: "[ADDRESS]:PORT",
        default: ":8080",
        help: "Where to listen; without an address only this host can ask",
      },
      { name: "tls-cert", kind: "text", value: "FILE", help: "A certificate (PEM), for https" },
      { name: "tls-key", kind: "text", value: "FILE", help: "Its key" },
    ],
    arguments: [1, 1],
    examples: [
      "rkt serve /srv/www",
      "rkt serve --listen=0.0.0.0:443 --tls-cert=cert.pem --tls-key=key.pem /srv/www",
    ],
    load: () => import("../publish/serve.ts"),
  },
];
