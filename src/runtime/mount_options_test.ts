import { deepStrictEqual } from "node:assert/strict";
import * as k from "../linux/constants.ts";
import { readMountOptions } from "./mount_options.ts";

const NOTHING = {
  bind: undefined,
  idmap: undefined,
  copiesUp: false,
  propagation: [],
  data: [],
  attributes: [],
};

Deno.test("options of a mount: attributes, propagation, and what the file system is told", () => {
  const options = ["nosuid", "ro", "rprivate", "size=64k", "mode=755", "newinstance", "defaults"];
  deepStrictEqual(readMountOptions(options), {
    ...NOTHING,
    propagation: [k.MS_PRIVATE | k.MS_REC],
    data: [["size", "64k"], ["mode", "755"], ["newinstance"]],
    attributes: [{
      set: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_RDONLY,
      clear: 0,
      recursive: false,
    }],
  });
});

Deno.test("options of a mount: the last of two that contradict each other counts", () => {
  deepStrictEqual(readMountOptions(["ro", "rw"]).attributes, [
    { set: 0, clear: k.MOUNT_ATTR_RDONLY, recursive: false },
  ]);
  deepStrictEqual(readMountOptions(["rw", "ro"]).attributes, [
    { set: k.MOUNT_ATTR_RDONLY, clear: 0, recursive: false },
  ]);
  // The ways to keep times of access exclude each other: the kernel wants all of them cleared.
  deepStrictEqual(readMountOptions(["noatime", "strictatime"]).attributes, [
    { set: 0x20, clear: 0x70, recursive: false },
  ]);
});

Deno.test("options of a mount: those with an r are for all mounts below", () => {
  deepStrictEqual(readMountOptions(["rbind", "rro", "nodev"]), {
    ...NOTHING,
    bind: { recursive: true },
    attributes: [
      { set: k.MOUNT_ATTR_NODEV, clear: 0, recursive: false },
      { set: k.MOUNT_ATTR_RDONLY, clear: 0, recursive: true },
    ],
  });
});

Deno.test("options of a mount: what only engines know", () => {
  deepStrictEqual(readMountOptions(["bind", "idmap", "tmpcopyup"]), {
    ...NOTHING,
    bind: { recursive: false },
    idmap: { recursive: false },
    copiesUp: true,
  });
});
