/**
 * The part of a recipe (src/start/cache/start_cache.ts) that is about networks: how a pod joins the same networks as an earlier one,
 * and where what takes them down stands in the program of its supervisor.
 *
 * Messages and paths have the same length for every pod of a command line; only UUIDs and addresses in them differ.
 */
import { closeDescriptor } from "../../linux/lock.ts";
import type { NetworkTearDown } from "../../../stage1/pod.ts";
import { allNetworks, chooseNetworks, type ChosenNetwork } from "../plugins/networks.ts";
import { isExternal } from "../plugins/plugins.ts";
import { POD_NAMESPACE } from "../kernel/namespace.ts";
import { type Forward, forwardOf, type StoredForward, storedForward } from "../model/forward.ts";
import { readRecord } from "./net_info.ts";
import type { QuickNetwork } from "./rejoin.ts";
import { setUpNetworks } from "./set_up.ts";
import type { TakeDownPlace } from "./take_down.ts";

export { POD_NAMESPACE };

/** What was asked for, and what came of it. */
export interface NetworkRecipe {
  readonly localConfig: string;
  readonly asked: readonly { readonly name: string; readonly args: string }[];
  /** The configurations; see {@linkcode confKey}. */
  readonly key: string;
  readonly forwards: readonly StoredForward[];
  /** Where in the program each message and each path stands. */
  readonly parts: readonly { readonly at: readonly number[]; readonly length: number }[];
  /** In place of all that, where the network is one that can be joined quickly. */
  readonly quick?: QuickNetwork;
}

/** All that configurations say. */
function confKey(chosen: readonly ChosenNetwork[]): string {
  return JSON.stringify(chosen.map(({ network, args }) => [network.path, network.text, args]));
}

/** Whether a network is set up from its configuration alone: no programs, and no files of others. */
function isPlain({ network: { plugins: [plugin, ...others] } }: ChosenNetwork): boolean {
  const { ipam } = plugin.json;
  const type = typeof ipam === "object" && ipam !== null && "type" in ipam ? ipam.type : undefined;
  return others.length === 0 && !isExternal(plugin) && plugin.type !== "flannel" &&
    (type === "host-local" || type === "static" || type === undefined);
}

/** The bytes of a tear-down in the order in which {@linkcode NetworkRecipe.parts} has them. */
function partsOf({ messages, files }: NetworkTearDown): readonly Uint8Array[] {
  const encoder = new TextEncoder();
  return [...messages, ...files.map((file) => encoder.encode(file))];
}

/** Where bytes stand in others. */
function places(program: string, part: Uint8Array): readonly number[] {
  const text = new TextDecoder("latin1").decode(part);
  const found: number[] = [];
  for (let at = program.indexOf(text); at >= 0; at = program.indexOf(text, at + 1)) found.push(at);
  return found;
}

/** A pod that has joined networks. */
export interface JoinedPod {
  readonly uuid: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly localConfig: string;
  readonly asked: NetworkRecipe["asked"];
  readonly forwards: readonly Forward[];
  readonly tearDown: NetworkTearDown;
}

/**
 * The recipe for a pod; undefined where there can be none.
 *
 * @param program its supervisor's
 */
export async function networkRecipe(
  pod: JoinedPod,
  program: Uint8Array,
): Promise<NetworkRecipe | undefined> {
  const { localConfig, asked, forwards, tearDown } = pod;
  const chosen = chooseNetworks(asked, allNetworks(localConfig));
  if (!chosen.every(isPlain) || tearDown.command !== undefined) return undefined;
  // windows-1252, which this label means, maps every byte to a character of its own.
  const text = new TextDecoder("latin1").decode(program);
  const parts = partsOf(tearDown).map((part) => ({ at: places(text, part), length: part.length }));
  if (parts.some(({ at }) => at.length === 0)) return undefined;
  const { quickRecipe } = await import("./record_rejoin.ts");
  const quick = quickRecipe(chosen, { ...pod, infos: readRecord(pod), parts });
  return {
    localConfig,
    asked,
    key: confKey(chosen),
    forwards: forwards.map(storedForward),
    parts,
    ...quick && { quick },
  };
}

/** The networks of a recipe, as they are configured now; undefined where that has changed. */
export function sameNetworks(recipe: NetworkRecipe): readonly ChosenNetwork[] | undefined {
  const chosen = chooseNetworks(recipe.asked, allNetworks(recipe.localConfig));
  return confKey(chosen) === recipe.key ? chosen : undefined;
}

/**
 * Sets up the networks of a pod, and writes what takes them down into its program.
 *
 * @returns whether the program fits; if not, nothing is set up
 * @throws {Failure} as `setUpNetworks()` does
 */
export async function joinAgain(
  recipe: NetworkRecipe,
  networks: readonly ChosenNetwork[],
  pod: { readonly uuid: string; readonly dataDir: string; readonly podPath: string },
  program: Uint8Array,
): Promise<boolean> {
  const { localConfig } = recipe;
  const forwards = recipe.forwards.map(forwardOf);
  const { tearDown } = await setUpNetworks({ ...pod, localConfig, networks, forwards });
  const parts = partsOf(tearDown);
  const fits = parts.length === recipe.parts.length &&
    parts.every((part, i) => part.length === recipe.parts[i].length);
  if (!fits) {
    await takeDown({ ...pod, localConfig });
    return false;
  }
  recipe.parts.forEach(({ at }, i) => at.forEach((place) => program.set(parts[i], place)));
  return true;
}

/** Takes down the networks that a pod has joined, or a part of them. */
export async function takeDown(place: TakeDownPlace): Promise<void> {
  const { takeDownNetworks } = await import("./take_down.ts");
  closeDescriptor(POD_NAMESPACE);
  await takeDownNetworks(place, readRecord(place));
}
