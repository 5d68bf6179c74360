import type { Flag } from "../grammar/flags.ts";

/** What commands that make images take of the manifest. */
export const MANIFEST_FLAGS: readonly Flag[] = [
  { name: "name", kind: "text", value: "NAME", help: "The image's name; needed" },
  {
    name: "label",
    kind: "texts",
    value: "NAME=VALUE",
    help: "A label, like version=1.2; os and arch are the host's by default",
  },
  {
    name: "exec",
    kind: "texts",
    value: "WORD",
    help: "The program to run; once more for each of its arguments, or give both behind --",
  },
  { name: "user", kind: "text", value: "USER", default: "0", help: "The app's user" },
  { name: "group", kind: "text", value: "GROUP", default: "0", help: "The app's group" },
  { name: "working-dir", kind: "text", value: "DIR", help: "Where the program starts" },
  {
    name: "supplementary-gids",
    kind: "list",
    value: "GID",
    help: "Further groups of the app",
  },
  {
    name: "environment",
    kind: "texts",
    value: "NAME=VALUE",
    help: "An environment variable of the app",
    aliases: ["env"],
  },
  {
    name: "isolator",
    kind: "texts",
    value: "NAME=JSON",
    help: 'What the app may use or do, like resource/memory={"limit":"64Mi"}',
  },
  {
    name: "port",
    kind: "texts",
    value: "NAME,protocol=tcp,port=NUMBER[,count=1][,socketActivated=false]",
    help: "A port that the app listens on",
  },
  {
    name: "mount",
    kind: "texts",
    value: "NAME,path=PATH[,readOnly=false]",
    help: "A place where the app expects a volume",
  },
  { name: "annotation", kind: "texts", value: "NAME=VALUE", help: "An annotation" },
  {
    name: "manifest",
    kind: "text",
    value: "FILE",
    help: "Take the manifest from this file; other flags change it",
  },
  {
    name: "dependency",
    kind: "texts",
    value: "NAME[:VERSION][,LABEL=VALUE][,imageID=ID]",
    help: "An image whose files lie below this one's",
  },
  {
    name: "pre-start",
    kind: "texts",
    value: "WORD",
    help: "What is run before the program; once more for each of its arguments",
  },
  {
    name: "post-stop",
    kind: "texts",
    value: "WORD",
    help: "What is run when the program has ended; as --pre-start",
  },
];
