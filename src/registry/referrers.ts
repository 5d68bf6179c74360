/** What is said in a registry about an image by others: signatures, for one (distribution-spec 1.1, "Listing Referrers"). */
import { Failure } from "../failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestWithDash } from "../oci/digest.ts";
import { MAX_DOCUMENT, type OciIndex, parseDocument } from "../oci/image_documents.ts";
import { errorText, nextPage } from "./answer.ts";
import type { RegistrySource } from "./registry_source.ts";

/** Pages of a list. */
const MAX_PAGES = 10;

/**
 * The manifests of a type that refer to a digest: of the API for it, or of the tag that stands for it where a registry has no
 * such API.
 *
 * @throws {Failure} the registry can't be asked, or answers with something else than an index
 */
export async function listReferrers(
  source: RegistrySource,
  digest: Digest,
  artifactType: string,
): Promise<readonly Descriptor[]> {
  const indexes = await referrersOfApi(source, digest, artifactType) ??
    await referrersOfTag(source, digest);
  return indexes.flatMap(({ manifests }) =>
    manifests.filter((each) => each.artifactType === artifactType)
  );
}

/** `undefined` where the registry does not know the API. */
async function referrersOfApi(
  source: RegistrySource,
  digest: Digest,
  artifactType: string,
): Promise<readonly OciIndex[] | undefined> {
  const { endpoint, client, name } = source;
  if (endpoint === undefined) return undefined;
  let path: string | URL = `referrers/${digest}?artifactType=${encodeURIComponent(artifactType)}`;
  const indexes: OciIndex[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    const { answer, bytes } = await client.whole(endpoint, MAX_DOCUMENT, { path });
    if (bytes === undefined) {
      const text = await errorText(answer);
      // Registries without the API answer 404, or take the path for something else.
      if (page === 0 && answer.status >= 400 && answer.status < 500) return undefined;
      throw new Failure(`${name}: what refers to it can't be listed: ${text}`);
    }
    // Some answer every unknown path with a page.
    if (page === 0 && !/json/.test(answer.headers.get("content-type") ?? "")) return undefined;
    indexes.push(indexOf(bytes, `${name}: list of referrers`));
    const next = nextPage(answer);
    if (next === undefined) return indexes;
    path = next;
  }
  return indexes;
}

async function referrersOfTag(
  source: RegistrySource,
  digest: Digest,
): Promise<readonly OciIndex[]> {
  const found = await source.optionalDocument(digestWithDash(digest));
  if (found === undefined) return [];
  return [indexOf(found.bytes, `${source.name}: tag ${digestWithDash(digest)}`)];
}

function indexOf(bytes: Uint8Array, name: string): OciIndex {
  const document = parseDocument(bytes, name);
  if (document.kind === "index") return document;
  throw new Failure(`${name}: not an index`);
}
