/**
 * Replays a start that rkt has to help with: the same conditions as in the launcher, then what the launcher can't do. On
 * any difference the entry goes, and the caller goes the full way.
 */
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, lockShared, openToLock } from "../../linux/lock.ts";
import type { CachedNetworks } from "../../net/pod/network_fast_path.ts";
import { createEmbryo } from "../../pod/directory/create_pod.ts";
import { entryName, HEADER, MAGIC, replayAt } from "../../../stage1/launcher/start_entry.ts";
import { fillHoles, type HoleName } from "../../../stage1/engine/hole.ts";
import type { NetworkTearDown } from "../../../stage1/pod.ts";
import { networkValues } from "../hole_values.ts";
import { startPod } from "../replace_process.ts";
import { saveUuid } from "../uuid_file.ts";
import { type AssistedStart, readAssisted } from "./assisted_start.ts";
import { sameBytes, stillHold } from "./conditions.ts";
import { openStarts, removeEntry } from "./starts_directory.ts";

/** A start and its program. */
interface Replayable {
  readonly start: AssistedStart;
  readonly program: Uint8Array<ArrayBuffer>;
}

/**
 * Starts a pod from its entry, in place of this process. Returns where it does not fit; what fails once the pod has a
 * directory is an error like that of any other run.
 */
export async function replayStart(
  key: Uint8Array,
  entry: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const found = parseEntry(key, entry);
  if (found === undefined) return removeStale(key);
  const { start, program } = found;
  // As every start: nobody collects images until the pod's directory names them.
  const lock = prepareLock(start.dataDirectory);
  if (lock === undefined) return removeStale(key);
  const ready = stillHold(start.conditions) ? await prepare(start) : "stale";
  if (ready === "stale") {
    closeDescriptor(lock);
    return removeStale(key);
  }
  const { uuid, fd } = createEmbryo(start.dataDirectory);
  try {
    if (start.uuidFile !== undefined) saveUuid(start.uuidFile, uuid);
    const joined = await ready.join?.(uuid);
    const values = new Map<HoleName, Uint8Array>([
      ["uuid", new TextEncoder().encode(uuid)],
      ...joined === undefined ? [] : networkValues(joined.tearDown, joined.address),
    ]);
    if (start.holes.every(({ name, size }) => values.get(name)?.length === size)) {
      fillHoles(program, start.holes, values);
      if (start.filled !== undefined) await fill(start.dataDirectory, uuid, start.filled);
      startPod(program, uuid, fd, joined?.namespace, lock);
    }
  } catch (error) {
    const { cleanUp } = await import("../../linux/clean_up.ts");
    await cleanUp(() => discard(start, uuid));
    throw error;
  }
  // Every other step is to be done anew, with another pod.
  await discard(start, uuid);
  closeDescriptor(fd);
  closeDescriptor(lock);
  removeStale(key);
}

/** Takes back what was made of a pod that does not start. */
async function discard({ dataDirectory, network }: AssistedStart, uuid: string): Promise<void> {
  if (network !== undefined) {
    const { takeDown } = await import("../../net/pod/network_fast_path.ts");
    await takeDown({ uuid, dataDir: dataDirectory, localConfig: network.localConfig });
  }
  const stages = [prepared(dataDirectory, uuid), `${dataDirectory}/pods/embryo/${uuid}`];
  const path = stages.find((each) => exists(each));
  if (path !== undefined) Deno.removeSync(path, { recursive: true });
}

const prepared = (dataDirectory: string, uuid: string) => `${dataDirectory}/pods/prepare/${uuid}`;

/** Fills a pod's directory, which its program expects in `prepare` then. */
async function fill(
  dataDirectory: string,
  uuid: string,
  { entries, fills }: NonNullable<AssistedStart["filled"]>,
): Promise<void> {
  const path = prepared(dataDirectory, uuid);
  Deno.renameSync(`${dataDirectory}/pods/embryo/${uuid}`, path);
  const { makeEntries } = await import("../../pod/directory/pod_entries.ts");
  makeEntries({ path }, entries);
  const { fillVolumes } = await import("../docker/image_volumes.ts");
  fillVolumes(path, fills, undefined);
}

/**
 * The parts of an entry; undefined where it is damaged or another command line's.
 *
 * The launcher has compared the digest on its way here, in machine code: in cold JavaScript it would take 10 ms.
 */
function parseEntry(key: Uint8Array, entry: Uint8Array<ArrayBuffer>): Replayable | undefined {
  const view = new DataView(entry.buffer);
  const field = (offset: number) => view.getBigUint64(offset, true);
  if (field(HEADER.magic) !== MAGIC || field(HEADER.size) !== BigInt(entry.length)) {
    return undefined;
  }
  if (!sameBytes(entry.subarray(HEADER.bytes, HEADER.bytes + key.length), key)) return undefined;
  const programAt = Number(field(HEADER.programAt));
  const text = new TextDecoder().decode(entry.subarray(replayAt(key), programAt));
  return {
    start: readAssisted(text.slice(0, text.lastIndexOf("}") + 1)),
    program: entry.slice(programAt),
  };
}

function prepareLock(dataDirectory: string): number | undefined {
  try {
    const path = `${dataDirectory}/locks/prepareLock`;
    const lock = openToLock(path);
    lockShared(lock, path);
    return lock;
  } catch {
    return undefined;
  }
}

function removeStale(key: Uint8Array): void {
  using directory = openStarts(false);
  if (directory !== undefined) removeEntry(directory.path, entryName(key));
}

/** What is done before there is a pod: what may show that the entry is of no use. */
async function prepare(
  { network, dataDirectory }: AssistedStart,
): Promise<{ readonly join?: Join } | "stale"> {
  const join = network &&
    await networksAgain(network, dataDirectory);
  if (network !== undefined && join === undefined) return "stale";
  return join === undefined ? {} : { join };
}

/** Sets up a new pod's networks. */
type Join = (uuid: string) => Promise<JoinedNetworks>;

/** Networks that a pod has joined. */
interface JoinedNetworks {
  /** The descriptor of their namespace. */
  readonly namespace: number;
  readonly tearDown: NetworkTearDown;
  readonly address?: string | undefined;
}

/** How the networks of a start are joined again; undefined where their configuration has changed. */
async function networksAgain(cached: CachedNetworks, dataDir: string): Promise<Join | undefined> {
  const { rejoinNetworks, POD_NAMESPACE, sameNetworks } = await import(
    "../../net/pod/network_fast_path.ts"
  );
  const networks = sameNetworks(cached);
  if (networks === undefined) return undefined;
  return async (uuid) => {
    const podPath = `${dataDir}/pods/embryo/${uuid}`;
    const pod = { uuid, dataDir, podPath };
    return { ...await rejoinNetworks(cached, networks, pod), namespace: POD_NAMESPACE };
  };
}
