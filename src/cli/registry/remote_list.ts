/** `rkt image list docker://NAME`: what is in a repository of a registry, without fetching any of it. */
import { Failure } from "../../failure.ts";
import { Limiter } from "../../fetch/limiter.ts";
import { parseDocument } from "../../oci/image_documents.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { platformText } from "../../oci/platform.ts";
import { listTags } from "../../registry/list_tags.ts";
import { Registries } from "../../registry/registries.ts";
import type { RegistrySource } from "../../registry/registry_source.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { shownSize } from "../print/size.ts";
import { table } from "../print/table.ts";
import { registrySettings } from "../request/registry_settings.ts";

/** Tags that are asked for at a time. */
const AT_ONCE = 4;
/** The length of a shortened digest: with its algorithm and 12 digits. */
const SHORT_DIGEST = 19;
/** What a list of the store has and this one has not. */
const STORE_FLAGS = ["fields", "sort", "order"];

/** What a tag stands for. */
interface Row {
  readonly tag: string;
  readonly digest: string;
  /** Of an index; empty for the image of one platform, which only its configuration names. */
  readonly platforms: readonly string[];
  /** Bytes of the layers as they are sent; absent of an index. */
  readonly size?: number;
}

/** Prints a row for each tag. */
export async function listRemote(text: string, { flags, global }: Invocation): Promise<number> {
  const location = parseOciLocation(text);
  if (location?.kind !== "registry") {
    throw new Failure(
      `${
        JSON.stringify(text)
      } is not a name like docker://quay.io/team/app; without one, the images of the store are listed`,
    );
  }
  const given = STORE_FLAGS.find((name) => flags.isSet(name));
  if (given !== undefined) throw new Failure(`--${given} is for the images of the store`);
  using registries = await Registries.open(registrySettings(global));
  const source = registries.source(location.reference);
  const limiter = new Limiter(AT_ONCE);
  const tags = await listTags(source);
  const rows = await Promise.all(tags.map((tag) => limiter.run(() => row(source, tag))));
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(jsonText(rows, format === "json-pretty"));
    return 0;
  }
  const full = flags.on("full");
  const lines = rows.map(({ tag, digest, platforms, size }) => [
    tag,
    full ? digest : digest.slice(0, SHORT_DIGEST),
    size === undefined ? "-" : full ? String(size) : shownSize(size),
    platforms.join(",") || "-",
  ]);
  print(table(flags.on("no-legend") ? lines : [["TAG", "DIGEST", "SIZE", "PLATFORMS"], ...lines]));
  return 0;
}

async function row(source: RegistrySource, tag: string): Promise<Row> {
  const { bytes, mediaType, digest } = await source.document(tag);
  const document = parseDocument(bytes, `${source.name}: tag ${tag}`, mediaType);
  if (document.kind === "manifest") {
    const size = document.layers.reduce((sum, layer) => sum + layer.size, 0);
    return { tag, digest, platforms: [], size };
  }
  const platforms = document.manifests.flatMap(({ platform }) =>
    // Attestations are listed as images for no platform.
    platform === undefined || platform.os === "unknown" ? [] : [platformText(platform)]
  );
  return { tag, digest, platforms };
}
