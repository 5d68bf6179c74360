/** What is wrong, or strange, with an image: all of it, each with its place. */
import { readAci } from "../aci/aci_reader.ts";
import type { ByteSource } from "../aci/bytes/source.ts";
import { ROOTFS } from "../aci/structure.ts";
import type { TarEntry } from "../aci/tar/entry.ts";
import { AppcError } from "../appc/error.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import { labelValue } from "../appc/label.ts";
import { APPC_VERSION } from "../appc/semver.ts";
import { Failure } from "../failure.ts";
import { shown } from "../linux/byte_string.ts";

/** Something that was found. */
export interface Finding {
  /** `error`: it breaks a rule of the specification; `warning`: it is allowed, and hardly meant. */
  readonly severity: "error" | "warning";
  /** A field of the manifest, like `app.ports[2].port`, or a path in the archive. */
  readonly place: string;
  readonly what: string;
}

/** What was found of an image. */
export interface Validation {
  readonly findings: readonly Finding[];
  readonly imageId?: string;
  /** Absent where it can't be read at all. */
  readonly manifest?: ImageManifest;
}

/** So many findings of one kind are listed. */
const MOST = 50;

/** Reads an image as a whole. Disposes the source. */
export async function validateImage(source: ByteSource): Promise<Validation> {
  const files = new Files();
  try {
    const { imageId, manifestText } = await readAci(source, { entry: (entry) => files.add(entry) });
    const errors = manifestErrors(manifestText);
    if (errors.length > 0) return { imageId, findings: [...errors, ...files.findings] };
    const manifest = parseImageManifest(manifestText);
    const findings = [...manifestWarnings(manifest), ...files.of(manifest), ...files.findings];
    return { imageId, manifest, findings };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { findings: [{ severity: "error", place: "archive", what: error.message }] };
  }
}

/** All that is wrong with a manifest: what is wrong is taken out, until the rest is right. */
export function manifestErrors(text: string): Finding[] {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    const what = `is no JSON: ${error instanceof Error ? error.message : error}`;
    return [{ severity: "error", place: "manifest", what }];
  }
  const found: Finding[] = [];
  for (let i = 0; i < MOST; i++) {
    try {
      parseImageManifest(JSON.stringify(raw));
      return found;
    } catch (error) {
      if (!(error instanceof AppcError)) throw error;
      found.push({ severity: "error", place: error.field || "manifest", what: error.reason });
      if (!mended(raw, error.field)) return found;
    }
  }
  return found;
}

/** What stands in for a field that has to be there. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  acKind: "ImageManifest",
  acVersion: APPC_VERSION,
  name: "example.com/image",
  "app.user": "0",
  "app.group": "0",
};

/** Takes out what is wrong; false where that can't be done. */
function mended(raw: unknown, field: string): boolean {
  const parts = field.match(/[^.[\]]+/g) ?? [];
  // Of a list the whole element goes, because another may be right.
  const lastIndex = parts.findLastIndex((part) => /^\d+$/.test(part));
  const place = lastIndex < 0 ? parts : parts.slice(0, lastIndex + 1);
  const last = place.at(-1);
  let owner: unknown = raw;
  for (const part of place.slice(0, -1)) owner = valueOf(owner, part);
  if (last === undefined || typeof owner !== "object" || owner === null) return false;
  if (Array.isArray(owner)) return owner.splice(Number(last), 1).length > 0;
  const standIn = STAND_INS[place.join(".")];
  if (standIn !== undefined && valueOf(owner, last) !== standIn) {
    Object.assign(owner, { [last]: standIn });
    return true;
  }
  if (Object.hasOwn(owner, last)) return Reflect.deleteProperty(owner, last);
  // Something that has to be there is not: what lacks it goes.
  return place.length > 1 && mended(raw, place.slice(0, -1).join("."));
}

function valueOf(owner: unknown, key: string): unknown {
  return typeof owner === "object" && owner !== null && Object.hasOwn(owner, key)
    ? Reflect.get(owner, key)
    : undefined;
}

const FIELDS: readonly string[] = [
  ...["acKind", "acVersion", "name", "labels", "app", "dependencies", "pathWhitelist"],
  "annotations",
];

const warning = (place: string, what: string): Finding => ({ severity: "warning", place, what });

function manifestWarnings(manifest: ImageManifest): Finding[] {
  const { labels, app, raw, dependencies } = manifest;
  const unknown = Object.keys(raw).filter((key) => !FIELDS.includes(key));
  return [
    ...["os", "arch"].filter((name) => labelValue(labels, name) === undefined)
      .map((name) => warning("labels", `there is no label "${name}": rkt runs no such image`)),
    ...labelValue(labels, "version") === undefined
      ? [warning("labels", 'there is no label "version": nobody can ask for this one')]
      : [],
    ...unknown.map((key) => warning(key, "is no field of the specification")),
    ...Object.keys(app?.unknownFields ?? {}).map((key) =>
      warning(`app.${key}`, "is no field of the specification")
    ),
    ...app !== undefined && app.exec.length === 0
      ? [warning("app.exec", "names no program: each run has to say one")]
      : [],
    ...(app?.isolators ?? []).flatMap(({ kind, name }, i) =>
      kind === "unknown" ? [warning(`app.isolators[${i}]`, `rkt has no isolator ${name}`)] : []
    ),
    ...dependencies.flatMap(({ imageID, imageName }, i) =>
      imageID === undefined
        ? [warning(`dependencies[${i}]`, `${imageName} may be another image tomorrow: no imageID`)]
        : []
    ),
  ];
}

const SETUID = 0o6000;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** The files of an image. */
class Files {
  readonly #kinds = new Map<string, TarEntry["kind"]>();
  readonly findings: Finding[] = [];
  #more = 0;

  add(entry: TarEntry): boolean {
    const { path, kind, mode } = entry;
    this.#kinds.set(path, kind);
    const place = shown(path);
    if (kind === "character device" || kind === "block device") {
      this.#find(
        warning(place, `is a ${kind} ${entry.major}:${entry.minor}; rkt gives none by that`),
      );
    }
    if (kind === "file" && (mode & SETUID) !== 0) {
      this.#find(warning(place, "is setuid or setgid"));
    }
    if (entry.xattrs.has("security.capability")) {
      this.#find(warning(place, "has capabilities of its own"));
    }
    const isOpen = (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0;
    if (isOpen && (kind === "file" || kind === "directory")) {
      this.#find(warning(place, "can be written by everybody"));
    }
    return false;
  }

  /** What the manifest names and the archive lacks. Of an image with dependencies nothing is known. */
  of({ app, dependencies }: ImageManifest): Finding[] {
    if (this.#more > 0) {
      this.findings.push(warning("archive", `${this.#more} more such files`));
    }
    if (app === undefined || dependencies.length > 0) return [];
    const has = (path: string) =>
      path.split("/").filter((part) => part !== "").reduce<string | undefined>((at, part) => {
        if (at === undefined) return undefined;
        const kind = this.#kinds.get(at);
        // Links are not followed here: what is behind one may be there.
        return kind === "symlink" || kind === undefined ? at : `${at}/${part}`;
      }, ROOTFS);
    const lacks = (path: string) => {
      const at = has(path) ?? "";
      return this.#kinds.get(at) === undefined;
    };
    const [program = ""] = app.exec;
    return [
      ...program.startsWith("/") && lacks(program)
        ? [warning("app.exec[0]", `${program} is not in the image`)]
        : [],
      ...app.workingDirectory !== undefined && lacks(app.workingDirectory)
        ? [warning("app.workingDirectory", `${app.workingDirectory} is not in the image`)]
        : [],
    ];
  }

  #find(finding: Finding): void {
    if (this.findings.length < MOST) this.findings.push(finding);
    else this.#more++;
  }
}
