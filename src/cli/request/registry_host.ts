/** A registry as people name it to log in: `quay.io`, `quay.io/team`, `docker.io`, `localhost:5000`. */
import { Failure } from "../../failure.ts";
import { parseReference } from "../../oci/reference.ts";

/** A registry, or a namespace of one. */
export interface NamedRegistry {
  /** `HOST[:PORT]`. */
  readonly host: string;
  /** Empty for the whole registry. */
  readonly namespace: string;
}

/**
 * Reads a registry's name.
 *
 * @throws {Failure}
 */
export function parseRegistry(text: string): NamedRegistry {
  const bare = text.replace(/^(?:https?|docker|oci):\/\//, "").replace(/\/+$/, "");
  const slash = bare.indexOf("/");
  const [host, namespace] = slash < 0 ? [bare, ""] : [bare.slice(0, slash), bare.slice(slash + 1)];
  const isHost = host !== "" && /[.:]|^localhost$/.test(host);
  const isVersion = namespace === "v1" || namespace === "v2";
  if (!isHost) {
    throw new Failure(
      `${JSON.stringify(text)} is not a registry's name, like quay.io or localhost:5000`,
    );
  }
  const { registry } = parseReference(`${host}/${isVersion || namespace === "" ? "x" : namespace}`);
  return { host: registry, namespace: isVersion ? "" : namespace };
}
