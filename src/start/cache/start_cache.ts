/**
 * Entries of starts, as far as every start needs them: is there one that needs rkt's help?
 *
 * What `rkt run` worked out for a command line is kept as an entry (stage1/launcher/start_entry.ts). The launcher replays
 * most of them before Deno is there. Some have networks that only rkt can join. Those have no replay of the launcher's; replay_start.ts does it.
 *
 * Every start that gets here loads this module, so it imports as little as it can.
 */
import { entryName, HEADER } from "../../../stage1/launcher/start_entry.ts";
import { hasFewFiles } from "../host/open_files.ts";
import { arePassed } from "../manager/listen_variables.ts";
import { startKey } from "./start_key.ts";
import { isEntry, openStarts } from "./starts_directory.ts";

/** Replays the start of this command line where there is an entry for it; returns where there is none that fits. */
export async function replayAssisted(): Promise<void> {
  if (Deno.uid() !== 0 || arePassed() || hasFewFiles()) return;
  const key = startKey();
  if (key === undefined) return;
  const entry = readEntry(key);
  if (entry === undefined) return;
  const { replayStart } = await import("./replay_start.ts");
  await replayStart(key, entry);
}

/** The entry of a key, if it is one for rkt. */
function readEntry(key: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  using directory = openStarts(false);
  if (directory === undefined) return undefined;
  const path = `${directory.path}/${entryName(key)}`;
  try {
    // The launcher leaves alone what is none, and has compared no digest then.
    if (!isEntry(path)) return undefined;
    const entry = Deno.readFileSync(path);
    const view = new DataView(entry.buffer);
    return entry.length > HEADER.bytes && view.getBigUint64(HEADER.start, true) === 0n
      ? entry
      : undefined;
  } catch {
    return undefined;
  }
}
