/** All pods as `rkt list` shows them; of those that have ended, what an earlier look has found. */
import type { RawDirectory } from "../../linux/raw_directory.ts";
import { type Known, lookAtPods, podPath, type PodView } from "../directory/pod_directory.ts";
import type { Listed } from "./choose_pods.ts";
import { EndedPods } from "./ended_pods.ts";
import { seePod } from "./pod_summary.ts";

/** The pods, but for those in the garbage. */
export function listedPods(dataDir: string): readonly Listed[] {
  return look(dataDir, new EndedPods(dataDir)).filter(([{ stage }]) => stage !== "garbage");
}

/** Writes down what is to be seen of pods that have ended, for {@linkcode listedPods}, which writes nothing. */
export function keepEndedPods(dataDir: string): void {
  const ended = new EndedPods(dataDir);
  look(dataDir, ended);
  ended.keep();
}

function look(dataDir: string, ended: EndedPods): readonly Listed[] {
  const each = (pod: PodView, files: RawDirectory): Listed => {
    const over = pod.state === "exited" || pod.state === "exited garbage";
    const known = over ? ended.find(files, "", pod.uuid) : undefined;
    if (known !== undefined) return [pod, known];
    const seen = seePod(files, dataDir, pod);
    if (over) ended.add(pod.uuid, seen);
    return [pod, seen.summary];
  };
  // If a pod in `run` is known to have ended, not even its lock is tested.
  const known: Known<Listed> = (stage, directory, uuid) => {
    const summary = stage === "run" ? ended.find(directory, `${uuid}/`, uuid) : undefined;
    const pod = { uuid, stage, state: "exited", path: podPath(dataDir, stage, uuid) } as const;
    return summary && [pod, summary];
  };
  return lookAtPods(dataDir, each, known);
}
