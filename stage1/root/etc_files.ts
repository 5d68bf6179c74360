/**
 * Files of /etc that are the pod's: the host name, and /etc/resolv.conf and /etc/hosts where the place of the run says
 * what they are. They are mounted over what the app has.
 */
import {
  ANYTHING,
  attach,
  DIRECTORY,
  inRoot,
  MOUNT_ATTR_SIZE,
  OPEN_HOW_SIZE,
  READ_ONLY,
} from "../steps/mounts.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import type { EtcFile, Pod, PodApp } from "../pod.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { openTarget } from "../steps/open_target.ts";

/** The files, by their names in /etc. */
function podFiles({ etc }: Pod): readonly (readonly [name: string, file: EtcFile])[] {
  return [
    ...etc.resolvConf === undefined ? [] : [["resolv.conf", etc.resolvConf] as const],
    ...etc.hosts === undefined ? [] : [["hosts", etc.hosts] as const],
  ];
}

/** Mounts of the host's files for an app, by their names in /etc. */
export type HostFiles = ReadonlyMap<string, Slot>;

/**
 * Opens the host's files for an app, while the host's root is still there. Each app has mounts of its own: a mount that is
 * attached nowhere can be cloned once more from Linux 6.15 on only.
 */
export function openEtcFiles(steps: Section, pod: Pod, app: PodApp): HostFiles {
  const opened = new Map<string, Slot>();
  for (const [name, { kind }] of podFiles(pod)) {
    if (kind !== "host") continue;
    const file = slot(`the host's ${name}`);
    steps.must(`open the host's /etc/${name} for app "${app.name}"`, "open_tree", [
      k.AT_FDCWD,
      `/etc/${name}`,
      k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
    ], { store: file });
    opened.set(name, file);
  }
  return opened;
}

/** Where the files that are the pod's own are made. */
export interface EtcPlace {
  /** With a slash at its end. */
  readonly directory: string;
  /** What becomes of a file that is there: a flag of open(2). */
  readonly existing: number;
  /** Whether mounts of it are read-only by themselves. */
  readonly readOnly: boolean;
}

/** Init's root. */
const INIT_ROOT: EtcPlace = { directory: "/", existing: k.O_EXCL, readOnly: true };

/** Writes the files that are the pod's own. */
export function makeEtcFiles(
  steps: Section,
  pod: Pod,
  { directory, existing } = INIT_ROOT,
): void {
  for (const [name, file] of podFiles(pod)) {
    if (file.kind !== "text") continue;
    const made = slot("file");
    steps.must(`make /etc/${name}`, "openat", [
      k.AT_FDCWD,
      `${directory}.${name}`,
      k.O_CREAT | existing | k.O_WRONLY | k.O_CLOEXEC,
      0o644,
    ], { store: made });
    const length = new TextEncoder().encode(file.text).length;
    steps.must(`write /etc/${name}`, "write", [made, file.text, length]);
    steps.attempt("close it", "close", [made]);
  }
}

/** Mounts the files in an app's root, over what the image or a volume has there; a missing one is made. */
export function mountEtcFiles(
  steps: Section,
  pod: Pod,
  app: PodApp,
  root: Slot,
  opened: HostFiles,
  { directory, readOnly } = INIT_ROOT,
): void {
  for (const [name, file] of podFiles(pod)) {
    if (hasOwn(app, name, file)) continue;
    const what = `mount /etc/${name} in app "${app.name}"`;
    const skip = `no /etc/${name} in app "${app.name}"`;
    const implicit = file.kind === "text" && file.implicit === true;
    const target = openFile(steps, what, name, app, root, implicit ? skip : undefined);
    const host = opened.get(name);
    const mount = host ?? slot("file");
    if (host === undefined) openPart(steps, what, `${directory}.${name}`, mount);
    if (host !== undefined || !readOnly) {
      steps.must(what, "mount_setattr", [mount, "", k.AT_EMPTY_PATH, READ_ONLY, MOUNT_ATTR_SIZE]);
    }
    attach(steps, what, mount, target);
    steps.attempt("close it", "close", [mount]);
    steps.attempt("close it", "close", [target]);
    if (implicit) steps.label(skip);
  }
}

/** A mount of a part of init's root, which is read-only by now: so the mount is. */
function openPart(steps: Section, what: string, path: string, mount: Slot): void {
  const flags = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC;
  steps.must(what, "open_tree", [k.AT_FDCWD, path, flags], { store: mount });
}

/** Whether an app has a file of its own, of a volume or its image, for which an implicit one makes way. */
function hasOwn({ mounts, ownEtc }: PodApp, name: string, file: EtcFile): boolean {
  if (file.kind !== "text" || file.implicit !== true) return false;
  return ownEtc.includes(name) ||
    mounts.some(({ place }) => place === "/etc" || place === `/etc/${name}`);
}

/**
 * How a file's place is looked for: as that of a volume (volumes.ts). A link of the image leads into no other mount, or the
 * file would be made in a volume of the host that somebody meant for data. In a volume at /etc there are no links.
 */
function placeRules({ mounts }: PodApp) {
  const inVolume = mounts.some(({ place }) => place === "/etc" || place.startsWith("/etc/"));
  const more = inVolume ? k.RESOLVE_NO_SYMLINKS : k.RESOLVE_NO_XDEV;
  return {
    anything: inRoot(k.O_PATH | k.O_CLOEXEC, more),
    directory: inRoot(k.O_PATH | k.O_CLOEXEC | k.O_DIRECTORY, more),
  };
}

/**
 * Opens the place of a file: what a link there leads to in the app's root, or a new file. A link of the image that leads to
 * another mount gives way to a file that was asked for; an implicit file makes way for it.
 *
 * @param skip the label behind all that is done about an implicit file
 */
function openFile(
  steps: Section,
  what: string,
  name: string,
  app: PodApp,
  root: Slot,
  skip: string | undefined,
): Slot {
  const target = slot("target");
  const { anything, directory } = placeRules(app);
  const where = `/etc/${name} of app "${app.name}"`;
  const [remove, missing, done] = [`link at ${where}`, `no ${where}`, `place of ${where}`];
  const open = [root, `etc/${name}`, anything, OPEN_HOW_SIZE] as const;
  steps.attempt(`find ${where}`, "openat2", open, {
    store: target,
    branch: { when: "equal", operand: -ERRNO.EXDEV, to: skip ?? remove },
  });
  steps.compute("let", [target], { branch: { when: "less", operand: 0, to: missing } });
  steps.goto(done);
  if (skip === undefined) {
    const etc = slot("etc");
    const opening = [root, "etc", directory, OPEN_HOW_SIZE] as const;
    steps.label(remove);
    steps.must(`open /etc of app "${app.name}"`, "openat2", opening, {
      store: etc,
      hint: `in the image, /etc leads to another mount`,
    });
    steps.attempt(`remove the link at ${where}`, "unlinkat", [etc, name, 0]);
    steps.attempt("close /etc", "close", [etc]);
  }
  steps.label(missing);
  openTarget(steps, what, root, {
    path: `etc/${name}`,
    how: anything,
    errno: ERRNO.ENOENT,
    make: () => makeFile(steps, name, app, root),
    hint: `in the image, a link on the way to /etc/${name} leads to another mount`,
  }, target);
  steps.label(done);
  return target;
}

function makeFile(steps: Section, name: string, app: PodApp, root: Slot): void {
  const etc = slot("etc");
  const made = slot("made");
  steps.attempt(`make /etc in app "${app.name}"`, "mkdirat", [root, "etc", 0o755]);
  const { directory } = placeRules(app);
  steps.must(`open /etc in app "${app.name}"`, "openat2", [root, "etc", directory, OPEN_HOW_SIZE], {
    store: etc,
    hint: `in the image, a link on the way to /etc/${name} leads to another mount`,
  });
  // A link that leads to nothing in the image; what is in a volume is not ours to remove.
  if (!app.mounts.some(({ target }) => target.replace(/\/+$/, "") === "/etc")) {
    steps.attempt(`remove the dangling /etc/${name}`, "unlinkat", [etc, name, 0]);
  }
  steps.must(`make /etc/${name} in app "${app.name}"`, "openat", [
    etc,
    name,
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0o644,
  ], { store: made, hint: "it is needed as a place to mount on" });
  steps.attempt("close it", "close", [made]);
  steps.attempt("close /etc", "close", [etc]);
}

/** Writes the file that {@linkcode mountHostname} mounts on /etc/hostname. */
export function makeHostname(steps: Section, pod: Pod): void {
  const file = slot("file");
  const text = `${pod.hostname}\n`;
  steps.must("make /etc/hostname", "openat", [
    k.AT_FDCWD,
    "/.hostname",
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  steps.must("write /etc/hostname", "write", [file, text, new TextEncoder().encode(text).length]);
  steps.attempt("close it", "close", [file]);
}

/** /etc/hostname, where the root has a place for it. */
export function mountHostname(steps: Section, at: string, root: Slot): void {
  const target = slot("target");
  const file = slot("file");
  const done = `hostname ${at}`;
  steps.attempt(
    `find /etc/hostname ${at}`,
    "openat2",
    [root, "etc/hostname", ANYTHING, OPEN_HOW_SIZE],
    {
      store: target,
      branch: { when: "error", to: done },
    },
  );
  const what = `mount /etc/hostname ${at}`;
  openPart(steps, what, "/.hostname", file);
  // Something else than a file there is the image's own affair.
  steps.attempt(what, "move_mount", [
    file,
    "",
    target,
    "",
    k.MOVE_MOUNT_F_EMPTY_PATH | k.MOVE_MOUNT_T_EMPTY_PATH,
  ]);
  steps.attempt("close it", "close", [file]);
  steps.attempt("close it", "close", [target]);
  steps.label(done);
}

/** Makes a file to mount the host name on, where the image has none. */
export function makeHostnamePlace(steps: Section, at: string, root: Slot): void {
  const [etc, made] = [slot("etc"), slot("made")];
  const done = `place of the hostname ${at}`;
  steps.attempt(`make /etc ${at}`, "mkdirat", [root, "etc", 0o755]);
  steps.attempt(`open /etc ${at}`, "openat2", [root, "etc", DIRECTORY, OPEN_HOW_SIZE], {
    store: etc,
    branch: { when: "error", to: done },
  });
  steps.attempt(`make /etc/hostname ${at}`, "openat", [
    etc,
    "hostname",
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0o644,
  ], { store: made });
  steps.attempt("close it", "close", [made]);
  steps.attempt("close /etc", "close", [etc]);
  steps.label(done);
}
