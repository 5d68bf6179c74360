/** Names of images inside layouts and archives, which tools write in more than one way. */
import { Failure } from "../failure.ts";
import { parseReference, referenceText } from "./reference.ts";

/** Whether two names are one to docker: `nginx:1` is `docker.io/library/nginx:1`. */
export function isCalledInDocker(name: string, wanted: string): boolean {
  if (name === wanted) return true;
  const [whole, wantedWhole] = [wholeName(name), wholeName(wanted)];
  return whole !== undefined && whole === wantedWhole;
}

/** The first of an image's names that has a repository and a tag; some tools write the tag alone. */
export function savedName(names: readonly string[]): string | undefined {
  return names.find((name) => name.includes(":") && wholeName(name) !== undefined);
}

function wholeName(name: string): string | undefined {
  try {
    return referenceText(parseReference(name));
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
