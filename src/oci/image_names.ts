/** Names of images inside layouts and archives, which tools write in more than one way. */
import { Failure } from "../failure.ts";
import { parseReference, referenceText } from "./reference.ts";

/** Whether two names are one to docker: `nginx:1` is `docker.io/library/nginx:1`. */
export function isCalledInDocker(name: string, wanted: string): boolean {
  if (name === wanted) return true;
  const [whole, wantedWhole] = [wholeName(name), wholeName(wanted)];
  return whole !== undefined && whole === wantedWhole;
}

function wholeName(name: string): string | undefined {
  try {
    return referenceText(parseReference(name));
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
