import { parseDate } from "./date.ts";
import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import { array, field, object, string, unique } from "./json_value.ts";
import { parseHttpUrl } from "./url.ts";

/** One annotation of an image, an app or a pod. */
export interface Annotation {
  readonly name: AcIdentifier;
  readonly value: string;
}

/** The annotations whose values have a form ("Image Manifest Schema", annotations). */
const CHECKED: Readonly<Record<string, (value: string, at: string) => unknown>> = {
  created: parseDate,
  homepage: parseHttpUrl,
  documentation: parseHttpUrl,
};

/**
 * Reads a list of annotations, names unique.
 *
 * @throws {AppcError}
 */
export function parseAnnotations(value: unknown, at: string): readonly Annotation[] {
  return unique(array(value, at, parseAnnotation), at, (annotation) => annotation.name);
}

/** The value of an annotation; `undefined` where there is none of that name. */
export function annotationValue(list: readonly Annotation[], name: string): string | undefined {
  return list.find((annotation) => annotation.name === name)?.value;
}

function parseAnnotation(value: unknown, at: string): Annotation {
  const annotation = object(value, at);
  const name = parseAcIdentifier(annotation.name, field(at, "name"));
  const text = string(annotation.value, field(at, "value"));
  if (Object.hasOwn(CHECKED, name)) CHECKED[name]?.(text, field(at, "value"));
  return { name, value: text };
}

// Of images that were made of docker's or OCI images: rkt's docker2aci wrote them into the manifests of the images that it
// converted, and rkt writes them of OCI images.

/** The prefix of docker2aci's annotations. */
export const DOCKER_PREFIX = "appc.io/docker/";
/** ENTRYPOINT and CMD: lists of words, as JSON. */
export const ENTRYPOINT_ANNOTATION = `${DOCKER_PREFIX}entrypoint`;
export const CMD_ANNOTATION = `${DOCKER_PREFIX}cmd`;
/** The signal that asks the app to end, like `SIGQUIT` or `3`. The specification of images writes it with a capital S, which names here can't have. */
export const STOP_SIGNAL_ANNOTATION = "org.opencontainers.image.stopsignal";
