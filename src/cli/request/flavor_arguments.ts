/** `--flavor` and `--stage1-…`, and rkt 1.30's names for what is built in here. */
import { Failure } from "../../failure.ts";
import type { Flavor } from "../../pod/directory/flavor.ts";
import type { PodRequest, Stage1Flag } from "../../start/request.ts";
import type { Flags } from "../grammar/flags.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

/** Names of rkt 1.30's stage1 images that stand for a flavor that is built in. */
const BUILT_IN: Readonly<Record<string, Flavor | undefined>> = {
  "coreos.com/rkt/stage1-coreos": undefined,
  "coreos.com/rkt/stage1-src": undefined,
  "coreos.com/rkt/stage1-host": undefined,
  "coreos.com/rkt/stage1-fly": "fly",
};

const STAGE1_FLAGS: readonly Stage1Flag["flag"][] = [
  "stage1-name",
  "stage1-path",
  "stage1-url",
  "stage1-hash",
  "stage1-from-dir",
];

/**
 * What is to run the pod: by a flag, or else by the configuration.
 *
 * @throws {Failure} two flags
 */
export function parseFlavor(
  flags: Flags,
  configured: GlobalFlags["stage1"],
): Pick<PodRequest, "flavor" | "stage1"> {
  const [flag, ...others] = STAGE1_FLAGS.filter((name) => flags.isSet(name));
  const [other = flags.isSet("flavor") ? "flavor" : undefined] = others;
  if (flag !== undefined && other !== undefined) {
    throw new Failure(`--${flag} and --${other} exclude each other`);
  }
  if (other !== undefined) return flags.text(other) === "fly" ? { flavor: "fly" } : {};
  const word = flag === undefined ? configured?.name : flags.text(flag);
  const [image = ""] = flag === undefined || flag === "stage1-name"
    ? word?.split(/[:,]/) ?? []
    : [];
  if (Object.hasOwn(BUILT_IN, image)) return { flavor: BUILT_IN[image] };
  const stage1 = flag === undefined ? configured : { flag, word: word ?? "" };
  return stage1 === undefined ? {} : { stage1 };
}
