/** `--flavor`, and rkt 1.30's names for what is built in here. */
import { Failure } from "../../failure.ts";
import type { Flavor } from "../../pod/directory/flavor.ts";
import type { Flags } from "../grammar/flags.ts";

/** Names of rkt 1.30's stage1 images that stand for a flavor that is built in. */
const BUILT_IN: Readonly<Record<string, Flavor | undefined>> = {
  "coreos.com/rkt/stage1-coreos": undefined,
  "coreos.com/rkt/stage1-src": undefined,
  "coreos.com/rkt/stage1-host": undefined,
  "coreos.com/rkt/stage1-fly": "fly",
};

/**
 * The flavor that flags ask for; undefined for the default.
 *
 * @throws {Failure} two flags, or a name of nothing that is built in
 */
export function parseFlavor(flags: Flags): Flavor | undefined {
  const name = flags.text("stage1-name");
  const word = flags.isSet("flavor") ? flags.text("flavor") : undefined;
  if (name === undefined) return word === "fly" ? word : undefined;
  if (word !== undefined) throw new Failure("--flavor and --stage1-name exclude each other");
  const [image = ""] = name.split(/[:,]/);
  if (Object.hasOwn(BUILT_IN, image)) return BUILT_IN[image];
  throw new Failure(`--stage1-name: not yet: ${image} is not built in; ${builtIn()} are`);
}

const builtIn = (): string => Object.keys(BUILT_IN).join(", ");
