/**
 * What is to be seen of pods that have ended, kept so that `rkt list` does not look at a thousand of them each time: a pod
 * that has ended changes no more, and no other pod ever has its UUID. `rkt gc` writes it. It is only a help: what is missing, old or torn
 * makes a list slow, and never wrong. So with each pod stands when its manifest and the file with its supervisor's PID
 * were changed: one that somebody has edited by hand, or run once more, is looked at again.
 */
import { replaceFile } from "../../linux/atomic_file.ts";
import type { RawDirectory } from "../../linux/raw_directory.ts";
import { BUILD } from "../../version.ts";
import type { PodSummary, SeenPod } from "./pod_summary.ts";

/** The form of the file; another rkt may have written it in another one. */
const FORM = `2 ${BUILD}`;

/** So many pods more than the file knows make it worth writing again. */
const WORTH = 20;

/** The file, below the data directory. */
export const ENDED_PODS = "ended-pods.json";

/** The pods of a data directory that have ended, as far as they are known. */
export class EndedPods {
  readonly #path: string;
  readonly #known: Readonly<Record<string, SeenPod>>;
  /** What is kept: those that there are still. */
  readonly #found: Record<string, SeenPod> = {};
  /** How many of these were not known. */
  #fresh = 0;

  /** Reads the file. */
  constructor(dataDir: string) {
    this.#path = `${dataDir}/${ENDED_PODS}`;
    this.#known = read(this.#path);
  }

  /**
   * What is known of a pod that has ended.
   *
   * @param directory one with the pod's files
   * @param prefix where they are in it: nothing, or a name with a slash
   * @returns undefined where nothing is known, or it may be true no more
   */
  find(directory: RawDirectory, prefix: string, uuid: string): PodSummary | undefined {
    const known = this.#known[uuid];
    if (known === undefined) return undefined;
    if (directory.changed(`${prefix}pod`) !== known.manifestChanged) return undefined;
    if (directory.changed(`${prefix}ppid`) !== known.supervisorChanged) return undefined;
    this.#found[uuid] = known;
    return known.summary;
  }

  /** Takes note of a pod that has ended. */
  add(uuid: string, pod: SeenPod): void {
    // One without a manifest is just being deleted.
    if (pod.summary.apps === undefined || pod.manifestChanged === undefined) return;
    this.#found[uuid] = pod;
    this.#fresh += 1;
  }

  /** Writes the file, if much has been added. */
  keep(): void {
    if (this.#fresh < WORTH) return;
    try {
      const text = JSON.stringify({ form: FORM, pods: this.#found });
      replaceFile(this.#path, text, { mode: 0o600, durable: false });
    } catch {
      // A full or read-only disk, or somebody who may only look.
    }
  }
}

function read(path: string): Readonly<Record<string, SeenPod>> {
  try {
    const { form, pods } = JSON.parse(Deno.readTextFileSync(path));
    if (form === FORM) return pods;
  } catch {
    // Not there, or torn.
  }
  return {};
}
