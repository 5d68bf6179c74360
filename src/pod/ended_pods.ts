/**
 * What `rkt list` has seen of pods that have ended, kept so that a list does not look at a thousand of them again: a pod
 * that has ended changes no more, and no other pod ever has its UUID. It is only a help: a file that is missing, old or
 * torn makes a list slow, and never wrong.
 */
import { BUILD } from "../version.ts";
import type { PodSummary } from "./pod_summary.ts";

/** The form of the file; another rkt may have written it in another one. */
const FORM = `1 ${BUILD}`;

/** So many pods more than the file knows make it worth writing again. */
const WORTH = 20;

const path = (dataDir: string): string => `${dataDir}/ended-pods.json`;

/** Pods that have ended, by UUID. */
export type EndedPods = ReadonlyMap<string, PodSummary>;

/** Reads what is known. */
export function readEndedPods(dataDir: string): EndedPods {
  try {
    const { form, pods } = JSON.parse(Deno.readTextFileSync(path(dataDir)));
    if (form === FORM) return new Map(Object.entries(pods));
  } catch {
    // Not there, or torn.
  }
  return new Map();
}

/** Keeps what is known of pods that have ended, if that is much more than before. */
export function keepEndedPods(dataDir: string, known: EndedPods, pods: EndedPods): void {
  let fresh = 0;
  for (const uuid of pods.keys()) if (!known.has(uuid)) fresh++;
  if (fresh < WORTH) return;
  const temporary = `${path(dataDir)}.${Deno.pid}`;
  try {
    Deno.writeTextFileSync(
      temporary,
      JSON.stringify({ form: FORM, pods: Object.fromEntries(pods) }),
      { mode: 0o600 },
    );
    Deno.renameSync(temporary, path(dataDir));
  } catch {
    // A full or read-only disk, or somebody who may only look.
  }
}
