import { shortImageId } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import type { FetchSettings } from "../../fetch/fetch_session.ts";
import { findImages } from "../../fetch/find_image.ts";
import type { PullPolicy } from "../../fetch/pull_policy.ts";
import { zip } from "../../start/zip.ts";
import { fetchSettings } from "../request/fetch_settings.ts";
import type { Invocation } from "../grammar/command.ts";
import type { Flags } from "../grammar/flags.ts";
import { printLine } from "../print/output.ts";

/** Where messages about progress go with `--quiet`. */
const QUIET = {
  message: () => {},
  openProgress: async () => (await import("../../fetch/progress.ts")).quietProgress(() => {}),
};

/** `rkt fetch`: images into the store, all at once; prints their IDs in the order of the arguments. */
export default async function fetch(invocation: Invocation): Promise<number> {
  const { args, flags, global } = invocation;
  const bundle = flags.text("from-bundle");
  if (bundle === undefined) {
    if (args.length === 0) throw new Failure("an IMAGE or --from-bundle=FILE is needed");
    return await fetchImages(invocation, fetchSettings(global));
  }
  if (args.length > 0) throw new Failure("--from-bundle names all images; give no IMAGE");
  const { openBundle } = await import("../../fetch/open_bundle.ts");
  const { bundleSettings } = await import("../publish/bundle_settings.ts");
  using opened = await openBundle(bundle, global.dir);
  const settings = await bundleSettings(fetchSettings(global), opened, bundle);
  return await fetchImages({ ...invocation, args: opened.images }, settings, opened.shown);
}

async function fetchImages(
  { args, flags }: Pick<Invocation, "args" | "flags">,
  settings: FetchSettings,
  shown = (message: string) => message,
): Promise<number> {
  const signature = flags.text("signature");
  if (signature !== undefined && args.length > 1) {
    throw new Failure("--signature is the signature of one image, but there are several");
  }
  const outcomes = await findImages(args.map((image) => ({ image, signature })), {
    ...settings,
    ...flags.on("quiet") && QUIET,
    pullPolicy: pullPolicy(flags),
    untrusted: "fetch",
  });
  const fetched = outcomes.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  if (Deno.uid() === 0 && fetched.length > 0) {
    const { readyStarts } = await import("../../start/ready_starts.ts");
    await readyStarts(settings.store, fetched);
  }
  const failed: string[] = [];
  zip(args, outcomes).forEach(([image, outcome]) => {
    if (outcome.status === "fulfilled") {
      const { key } = outcome.value;
      printLine(flags.on("full") ? key : shortImageId(key));
      return;
    }
    const { reason } = outcome;
    if (!(reason instanceof Failure)) throw reason;
    if (args.length === 1) {
      throw new Failure(shown(reason.message), reason.exitCode, { cause: reason });
    }
    const named = reason.message.startsWith(`${image}: `);
    failed.push(shown(named ? reason.message : `${image}: ${reason.message}`));
  });
  if (failed.length === 0) return 0;
  for (const line of failed) console.error(`fetch: ${line}`);
  throw new Failure(`${failed.length} of ${args.length} images could not be fetched`);
}

/**
 * The pull policy of the flags: `--pull-policy`, or one of its old forms.
 *
 * @throws {Failure} when they contradict each other
 */
function pullPolicy(flags: Flags): PullPolicy {
  const [storeOnly, noStore] = [flags.on("store-only"), flags.on("no-store")];
  if (storeOnly && noStore) throw new Failure("--store-only and --no-store contradict each other");
  const old = storeOnly ? "never" : noStore ? "update" : undefined;
  if (old !== undefined && flags.isSet("pull-policy")) {
    throw new Failure("--pull-policy takes the place of --store-only and --no-store; give one");
  }
  const policy = old ?? flags.text("pull-policy");
  return policy === "new" || policy === "never" ? policy : "update";
}
