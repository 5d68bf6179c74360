/** `rkt image inspect`: what an image is, runs and needs, and what its app may do. */
import type { App } from "../../appc/app.ts";
import { parseImageId, storeKey } from "../../appc/image_id.ts";
import { type ImageManifest, parseImageManifest } from "../../appc/image_manifest.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
import { exists } from "../../linux/exists.ts";
import { readImageInfo, type Signer } from "../../store/image_info.ts";
import { listImage } from "../../store/list_images.ts";
import { Store } from "../../store/store.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { differenceLines, type Differences } from "../../../stage1/explain/confinement.ts";
import { imageWishes, type Wish } from "../../../stage1/explain/image_wishes.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { appSecurity } from "../print/app_security.ts";
import { jsonText, nanoseconds } from "../print/json.ts";
import { printLine, printLines } from "../print/output.ts";
import { shownSize } from "../print/size.ts";
import { NotInStore, storedImage } from "../request/stored_image.ts";
import { fullTime } from "../print/time.ts";

/** An image, from the store or a file. */
interface Inspected {
  /** The whole ID if it is known, else its first half. */
  readonly id: string;
  readonly manifest: ImageManifest;
  /** The size in bytes: of a stored image with its rendered tree, of a file as it is. */
  readonly size: number;
  /** Milliseconds since 1970; only of an image in the store. */
  readonly importTime?: number | undefined;
  readonly signers: readonly Signer[];
}

type Line = readonly [subject: string, text: string];

/** Prints the image's properties. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [text = ""] = args;
  const image = await inspected(text, global);
  const security = image.manifest.app === undefined ? undefined : appSecurity(image.manifest.app);
  const wishes = imageWishes(image.manifest.app?.isolators ?? [], {
    user: image.manifest.app?.user,
  });
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(
      jsonText(json(image, security && { ...security, wishes }), format === "json-pretty"),
    );
    return 0;
  }
  const lines: readonly Line[] = [
    ...flags.on("security") ? [] : [...imageLines(image), ...appLines(image.manifest.app)],
    ...security === undefined ? [] : differenceLines(security),
    ...wishes.map(({ what }, i) =>
      [i === 0 ? "to accept" : "", `${what} (--accept-isolators)`] as const
    ),
  ];
  const shown = lines.length > 0 ? lines : [["app", "none"] as const];
  for (const [subject, text] of shown) printLine(`${subject.padEnd(15)} ${text}`);
  return 0;
}

async function inspected(text: string, global: GlobalFlags): Promise<Inspected> {
  const argument = parseImageArgument(text, exists);
  if (argument.kind === "file") return await inspectedFile(argument.path);
  const dataDir = global.dir;
  const store = new Store(dataDir);
  const stored = await storedOrRemote(store, text, argument.kind === "registry");
  if (stored === undefined) {
    const { remoteImage } = await import("../request/remote_image.ts");
    return { ...await remoteImage(global, text), signers: [] };
  }
  const { key, manifest } = stored;
  const listed = await listImage(store, key);
  return {
    id: readImageInfo(dataDir, key).imageId ?? key,
    manifest,
    size: listed?.size ?? 0,
    importTime: listed?.importTime,
    signers: listed?.signers ?? [],
  };
}

/** The stored image; undefined for one of a registry that is not in the store. */
async function storedOrRemote(
  store: Store,
  text: string,
  isOfRegistry: boolean,
): Promise<StoredImage | undefined> {
  try {
    return await storedImage(store, text);
  } catch (error) {
    if (isOfRegistry && error instanceof NotInStore) return undefined;
    throw error;
  }
}

async function inspectedFile(path: string): Promise<Inspected> {
  const { readAci } = await import("../../aci/aci_reader.ts");
  const { fileSource } = await import("../../aci/bytes/source.ts");
  using source = fileSource(path);
  const { imageId, manifestText } = await readAci(source);
  storeKey(parseImageId(imageId));
  const manifest = parseImageManifest(manifestText);
  return { id: imageId, manifest, size: Deno.statSync(path).size, signers: [] };
}

function imageLines(image: Inspected): readonly Line[] {
  const { manifest, importTime, signers } = image;
  const signed = signers.map(({ identity, fingerprint }) => `${identity} ${fingerprint}`.trim());
  return [
    ["name", manifest.name],
    ["id", image.id],
    ["labels", manifest.labels.map(({ name, value }) => `${name}=${value}`).join(" ") || "none"],
    ["size", shownSize(image.size)],
    ...importTime === undefined ? [] : [["imported", fullTime(importTime)] as const],
    ["signed by", signed.join(", ") || "nobody that was verified"],
    ...manifest.dependencies.map((dependency) =>
      [
        "needs",
        [
          dependency.imageName,
          ...dependency.labels.map(({ name, value }) => `${name}=${value}`),
          ...dependency.imageID === undefined ? [] : [dependency.imageID],
        ].join(" "),
      ] as const
    ),
    ...manifest.pathWhitelist.length === 0
      ? []
      : [["files", `only ${manifest.pathWhitelist.length} paths of those below`] as const],
    ...manifest.annotations.map(({ name, value }) => [name, value] as const),
  ];
}

function appLines(app: App | undefined): readonly Line[] {
  if (app === undefined) return [["app", "none: it is run with --exec, or lies below others"]];
  return [
    ["command", app.exec.length === 0 ? "none: say it with --exec" : JSON.stringify(app.exec)],
    ["user", `${app.user}, group ${app.group}`],
    ...app.supplementaryGIDs.length === 0
      ? []
      : [["other groups", app.supplementaryGIDs.join(" ")] as const],
    ["directory", app.workingDirectory ?? "/"],
    ...app.environment.map(({ name, value }) => ["environment", `${name}=${value}`] as const),
    ...app.eventHandlers.map(({ name, exec }) => [name, JSON.stringify(exec)] as const),
    ...app.mountPoints.map(({ name, path, readOnly }) =>
      ["mount point", `${name} at ${path}${readOnly ? ", read-only" : ""}`] as const
    ),
    ...app.ports.map(({ name, protocol, port, count }) =>
      ["port", `${name}: ${protocol} ${port}${count > 1 ? ` to ${port + count - 1}` : ""}`] as const
    ),
    ...app.isolators.map(({ name, value }) =>
      ["isolator", `${name} ${JSON.stringify(value)}`] as const
    ),
  ];
}

function json(
  { id, manifest, size, importTime, signers }: Inspected,
  security?: Differences & { readonly wishes: readonly Wish[] },
) {
  return {
    id,
    name: manifest.name,
    labels: Object.fromEntries(manifest.labels.map(({ name, value }) => [name, value])),
    size,
    ...importTime !== undefined && { import_time: nanoseconds(importTime) },
    signed_by: signers.map(({ fingerprint, identity }) => ({ fingerprint, identity })),
    ...security !== undefined && {
      security: {
        beyond_default: security.more,
        less: security.less,
        must_be_accepted: security.wishes.map(({ what }) => what),
      },
    },
    manifest: manifest.raw,
  };
}
