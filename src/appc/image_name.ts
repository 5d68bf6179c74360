import { AppcError, shown } from "./error.ts";
import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import { checkPlatform, type Label } from "./label.ts";

/** An image as people name it: `example.com/app:1.2,os=linux`. */
export interface ImageName {
  readonly name: AcIdentifier;
  /** In the order in which they were written; `version` from behind the colon first. */
  readonly labels: readonly Label[];
}

/**
 * Reads the text form `name[:version][,label=value…]` (appc specification, "App Container Image
 * Discovery"). Values may be written with URL escapes.
 *
 * @throws {AppcError}
 */
export function parseImageName(text: string): ImageName {
  const [head = "", ...pairs] = text.split(",");
  const colon = head.indexOf(":");
  const name = parseAcIdentifier(colon < 0 ? head : head.slice(0, colon));
  const labels = colon < 0 ? [] : [versionLabel(head.slice(colon + 1), text)];
  for (const pair of pairs) {
    const label = parsePair(pair);
    if (labels.some((other) => other.name === label.name)) {
      throw new AppcError("", `${shown(text)} has the label ${shown(label.name)} twice`);
    }
    labels.push(label);
  }
  checkPlatform(labels, text);
  return { name, labels };
}

/** The text form of an image's name: version behind a colon, other labels behind commas. */
export function imageNameText({ name, labels }: ImageName): string {
  const version = labels.find((label) => label.name === "version");
  const others = labels.filter((label) => label !== version);
  return name + (version === undefined ? "" : `:${version.value}`) +
    others.map((label) => `,${label.name}=${label.value}`).join("");
}

function versionLabel(version: string, text: string): Label {
  if (version === "") throw new AppcError("", `${shown(text)} has no version behind its colon`);
  return { name: parseAcIdentifier("version"), value: version };
}

function parsePair(pair: string): Label {
  const equals = pair.indexOf("=");
  if (equals < 1 || equals === pair.length - 1) {
    throw new AppcError("", `${shown(pair)} is not of the form label=value`);
  }
  const name = parseAcIdentifier(pair.slice(0, equals));
  if (name === "name") throw new AppcError("", '"name" is not allowed as the name of a label');
  return { name, value: unescaped(pair.slice(equals + 1)) };
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new AppcError("", `${shown(value)} has a broken URL escape`);
  }
}
