import type { Command } from "../grammar/command.ts";
import type { Flag } from "../grammar/flags.ts";
import { MANIFEST_FLAGS } from "./manifest_flags.ts";
import { FORMAT, FULL, NO_LEGEND, OVERWRITE, PRETTY_PRINT } from "./output_flags.ts";
import { OLD_PULL_FLAGS } from "./run_flags.ts";

/** Of `image extract` and `render`: the image is a stranger's, and the directory may be open to all. */
const SPECIAL_FILES: Flag = {
  name: "special-files",
  kind: "switch",
  help: "Also make device nodes, and keep setuid, setgid and file capabilities",
};

/** The commands for images and the store. */
export const IMAGE_COMMANDS: readonly Command[] = [
  {
    name: "fetch",
    group: "Images",
    summary: "Fetch images into the store and print their IDs",
    usage: "[flags] IMAGE ... | --from-bundle=FILE",
    flags: [
      FULL,
      { name: "quiet", kind: "switch", help: "Print nothing but the IDs, and errors" },
      {
        name: "pull-policy",
        kind: "text",
        oneOf: ["new", "never", "update"],
        default: "update",
        help:
          "When to fetch: new (what the store lacks), never, or update (ask for newer ones too)",
      },
      {
        name: "signature",
        kind: "text",
        value: "FILE",
        help: "The image's signature, where it does not lie beside the image",
      },
      {
        name: "from-bundle",
        kind: "text",
        value: "FILE|DIR|-",
        help:
          "Fetch all images of a bundle, or of a directory as image publish makes it; - is standard input",
      },
      ...OLD_PULL_FLAGS,
    ],
    arguments: [0, Infinity],
    examples: [
      "rkt fetch example.com/app:1.2 docker://registry.example.com/app:1.2",
      "rkt --insecure-options=image fetch ./app.aci oci:layout:1.2 docker-archive:saved.tar",
    ],
    load: () => import("../image/fetch.ts"),
  },
  {
    name: "image build",
    group: "Images",
    summary: "Make an image of a directory, an archive, packages or a program",
    usage: "[flags] --name=NAME [SOURCE] FILE.aci [-- PROGRAM ARGUMENT ...]",
    about: [
      "SOURCE is a directory, an archive of tar, or - for one on standard input. --from-binary and " +
      "--from-debs take its place.",
      "The same files and flags give the same image ID, whenever and wherever. Where SOURCE_DATE_EPOCH is " +
      "set, nothing in the image is younger than that.",
    ],
    flags: [
      {
        name: "from-binary",
        kind: "text",
        value: "FILE",
        help: "Make it of this program: with its loader, its libraries and what they look for",
      },
      {
        name: "from-debs",
        kind: "text",
        value: "DIR",
        help: "Make it of the Debian packages in this directory; none of their scripts is run",
      },
      {
        name: "copy",
        kind: "texts",
        value: "SOURCE:PATH",
        help: "Add this file or directory of the host at PATH in the image",
      },
      ...MANIFEST_FLAGS,
      {
        name: "owner",
        kind: "text",
        value: "UID[:GID]",
        help:
          "Whose all files of the image are; without, they keep their owners, and yours are root's",
      },
      {
        name: "compression",
        kind: "text",
        oneOf: ["gzip", "none"],
        default: "gzip",
        help: "How the image is compressed",
      },
      OVERWRITE,
    ],
    arguments: [1, Infinity],
    load: () => import("../image/image_build.ts"),
    examples: [
      "rkt image build --name=example.com/app --from-binary=./app --copy=app.conf:/etc/app.conf app.aci",
      "rkt image build --name=example.com/web --label=version=1.2 --exec=/bin/httpd --exec=-f " +
      "--port=http,protocol=tcp,port=80 --mount=www,path=/srv/www rootfs/ web.aci",
    ],
  },
  {
    name: "image edit",
    group: "Images",
    summary: "Make an image of another one, with another manifest",
    usage: "[flags] FILE.aci [NEW.aci] [-- PROGRAM ARGUMENT ...]",
    about: [
      "Flags change what the image's manifest says, and --manifest takes its place. All other bytes of the " +
      "archive stay. The new image has another ID, and needs another signature.",
    ],
    flags: [...MANIFEST_FLAGS, OVERWRITE],
    arguments: [1, Infinity],
    examples: [
      "rkt image edit --label=version=1.3 app.aci app-1.3.aci",
      "rkt image edit --overwrite --environment=DEBUG=1 app.aci",
    ],
    load: () => import("../image/image_edit.ts"),
  },
  {
    name: "image validate",
    group: "Images",
    summary: "Say all that is wrong or strange with an image",
    usage: "[flags] IMAGE ...",
    about: [
      "An error breaks a rule of the specification; then the status is 1. A warning is about what is allowed " +
      "and hardly meant. The last lines say what the app may do, as image inspect --security does.",
    ],
    flags: [FORMAT],
    arguments: [1, Infinity],
    examples: [
      "rkt image validate ./app.aci oci-archive:app.tar",
      "rkt image validate --format=json example.com/app:1.2",
    ],
    load: () => import("../image/image_validate.ts"),
  },
  {
    name: "image list",
    group: "Images",
    summary: "List the images in the store, or those of a name in a registry",
    usage: "[flags] [docker://NAME]",
    about: [
      "Of a name in a registry, each tag is listed with its digest, the bytes of its layers as they are sent, " +
      "and the platforms that there are images for.",
    ],
    flags: [
      {
        name: "fields",
        kind: "list",
        value: "FIELD",
        default: "id,name,size,importtime,lastused",
        help: "The columns, of id, name, size, importtime, lastused, signedby, root",
      },
      {
        name: "sort",
        kind: "list",
        value: "FIELD",
        default: "importtime",
        help: "The columns to sort by, of importtime, lastused, name, size",
      },
      {
        name: "order",
        kind: "text",
        oneOf: ["asc", "desc"],
        default: "asc",
        help: "Smallest first (asc) or greatest first (desc)",
      },
      FULL,
      NO_LEGEND,
      FORMAT,
    ],
    arguments: [0, 1],
    examples: [
      "rkt image list --sort=size --order=desc --fields=name,size",
      "rkt image list docker://quay.io/team/app",
    ],
    load: () => import("../image/image_list.ts"),
  },
  {
    name: "image cat-manifest",
    group: "Images",
    summary: "Print the manifest of an image in the store or in a file",
    usage: "[flags] IMAGE",
    flags: [PRETTY_PRINT],
    arguments: [1, 1],
    load: () => import("../image/image_cat_manifest.ts"),
    examples: ["rkt image cat-manifest example.com/app", "rkt image cat-manifest ./app.aci"],
  },
  {
    name: "image inspect",
    group: "Images",
    summary: "Explain an image: what it is, runs, needs and may do",
    about: ["An image of a registry (docker://…) that is not in the store is asked for there."],
    usage: "[flags] IMAGE",
    flags: [
      {
        name: "security",
        kind: "switch",
        help: "What the app may do beyond the default, and what less",
      },
      FORMAT,
    ],
    arguments: [1, 1],
    examples: ["rkt image inspect ./app.aci", "rkt image inspect --security example.com/app"],
    load: () => import("../image/image_inspect.ts"),
  },
  {
    name: "image verify",
    group: "Images",
    summary: "Check archives, trees and signatures of images in the store, and repair trees",
    usage: "[flags] IMAGE ...",
    flags: [],
    arguments: [1, Infinity],
    examples: ["rkt image verify example.com/app", "rkt image verify sha512-c36294bfa0fa"],
    load: () => import("../image/image_verify.ts"),
  },
  {
    name: "image export",
    group: "Images",
    summary: "Write an image of the store to a file",
    usage: "[flags] IMAGE FILE",
    flags: [
      {
        name: "format",
        kind: "text",
        oneOf: ["aci", "oci", "oci-archive", "docker-archive"],
        default: "aci",
        help:
          "What to write: an App Container Image, an OCI layout (a directory), an archive of one, or what docker load reads",
      },
      OVERWRITE,
    ],
    arguments: [2, 2],
    examples: [
      "rkt image export --format=docker-archive example.com/app app.tar",
      "rkt image export --overwrite sha512-c36294bfa0fa app.aci",
    ],
    load: () => import("../image/image_export.ts"),
  },
  {
    name: "image convert",
    group: "Images",
    summary: "Make images of one format of images of another one",
    usage: "[flags] IMAGE ... | [flags] SOURCE TARGET",
    about: [
      "Of OCI images in the store, makes App Container Images in the store beside them; their IDs are printed.",
      "With a TARGET, writes an image of the store, or of a file, to FILE.aci, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]. The files and what runs in them are the same.",
    ],
    flags: [FULL, OVERWRITE],
    arguments: [1, Infinity],
    examples: [
      "rkt image convert docker://busybox",
      "rkt image convert docker-archive:saved.tar app.aci",
    ],
    load: () => import("../image/image_convert.ts"),
  },
  {
    name: "image extract",
    group: "Images",
    summary: "Extract an image into a directory",
    usage: "[flags] IMAGE DIR",
    flags: [
      OVERWRITE,
      { name: "rootfs-only", kind: "switch", help: "Leave out the manifest" },
      SPECIAL_FILES,
    ],
    arguments: [2, 2],
    examples: [
      "rkt image extract example.com/app app/",
      "rkt image extract --rootfs-only --overwrite example.com/app /srv/root",
    ],
    load: () => import("../image/image_extract.ts"),
  },
  {
    name: "image render",
    group: "Images",
    summary: "Extract an image with its dependencies into a directory",
    usage: "[flags] IMAGE DIR",
    flags: [
      OVERWRITE,
      { name: "rootfs-only", kind: "switch", help: "Leave out the manifest" },
      SPECIAL_FILES,
    ],
    arguments: [2, 2],
    examples: [
      "rkt image render example.com/app app/",
      "rkt image render --rootfs-only --overwrite example.com/app /srv/root",
    ],
    load: () => import("../image/image_render.ts"),
  },
  {
    name: "image rm",
    group: "Images",
    summary: "Remove images from the store",
    usage: "IMAGE ...",
    flags: [],
    arguments: [1, Infinity],
    examples: ["rkt image rm example.com/app:1.2", "rkt image rm sha512-c36294bfa0fa"],
    load: () => import("../image/image_rm.ts"),
  },
  {
    name: "image gc",
    group: "Images",
    summary: "Remove images that were not used for some time",
    usage: "[flags]",
    flags: [
      {
        name: "grace-period",
        kind: "duration",
        default: "24h",
        help: "How long images are kept after their last use",
      },
      {
        name: "rebuild-index",
        kind: "switch",
        help: "First make the store's index anew from its images",
      },
    ],
    arguments: [0, 0],
    examples: ["rkt image gc", "rkt image gc --grace-period=0s"],
    load: () => import("../image/image_gc.ts"),
  },
  {
    name: "image discover",
    group: "Images",
    summary: "Show how an image is found by its name, step by step",
    usage: "[flags] IMAGE",
    flags: [FORMAT],
    arguments: [1, 1],
    examples: [
      "rkt image discover example.com/app:1.2",
      "rkt image discover example.com/app,os=linux,arch=aarch64",
    ],
    load: () => import("../image/image_discover.ts"),
  },
];
