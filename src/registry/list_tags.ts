/** The tags of a repository (distribution-spec, "Listing Tags"). */
import { AppcError } from "../appc/error.ts";
import { array, parseJsonObject, string } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { MAX_DOCUMENT } from "../oci/image_documents.ts";
import { errorText, nextPage } from "./answer.ts";
import type { RegistrySource } from "./registry_source.ts";

/** Pages, tags on one as it is asked for, and tags in all: a repository with more is built by a machine for machines. */
const MAX_PAGES = 1000;
const PAGE = 1000;
const MAX_TAGS = 200_000;

/**
 * All tags of the repository of an image, sorted: not every registry does that.
 *
 * @throws {Failure} no such repository, no access, or a list without an end
 */
export async function listTags(source: RegistrySource): Promise<string[]> {
  const { client, endpoint } = source;
  if (endpoint === undefined) throw new TypeError("no endpoint");
  const { registry, repository } = source.reference;
  const name = `${registry}/${repository}`;
  const tags = new Set<string>();
  let path: string | URL = `tags/list?n=${PAGE}`;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { answer, bytes } = await client.whole(endpoint, MAX_DOCUMENT, { path });
    if (bytes === undefined) throw new Failure(`${name}: ${await errorText(answer)}`);
    for (const tag of readTags(bytes, name)) tags.add(tag);
    if (tags.size > MAX_TAGS) throw new Failure(`${name}: has more than ${MAX_TAGS} tags`);
    const next = nextPage(answer);
    if (next === undefined) return [...tags].sort();
    path = next;
  }
  throw new Failure(`${name}: its list of tags has more than ${MAX_PAGES} pages`);
}

function readTags(bytes: Uint8Array, name: string): readonly string[] {
  try {
    // The registry writes null where there are none.
    const tags = array(parseJsonObject(new TextDecoder().decode(bytes)).tags, "tags", string);
    const wrong = tags.find((tag) => !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(tag));
    if (wrong !== undefined) throw new AppcError("tags", "one of them is no tag");
    return tags;
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${name}: its list of tags is malformed: ${error.message}`);
  }
}
