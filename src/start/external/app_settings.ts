/**
 * Apps as rkt has resolved them, in files that a shell can read: an image that reads the pod's manifest needs none of them.
 * docs/build/stage1.md describes them.
 */
import { capabilityName } from "../../linux/capabilities.ts";
import { appSettings } from "../../pod/external/external_pod.ts";
import type { AppMount, Command, PodApp, PodEntry } from "../../../stage1/pod.ts";

/** The files of all apps. */
export function settingsEntries(apps: readonly PodApp[]): readonly PodEntry[] {
  return [
    { kind: "directory", path: appSettings("").slice(0, -1), mode: 0o755 },
    { kind: "file", path: `${appSettings("").slice(0, -1)}/order`, text: lines(inOrder(apps)) },
    ...apps.flatMap(appEntries),
  ];
}

const lines = (words: readonly string[]): string => words.map((each) => `${each}\n`).join("");

/** For texts that may have any character but NUL. */
const list = (words: readonly string[]): string => words.map((each) => `${each}\0`).join("");

/** The names of the apps, each behind those that it starts after. */
function inOrder(apps: readonly PodApp[]): readonly string[] {
  const names = new Set<string>();
  const add = ({ name, lifecycle }: PodApp) => {
    if (names.has(name)) return;
    for (const app of apps.filter((each) => lifecycle.after.includes(each.name))) add(app);
    names.add(name);
  };
  for (const app of apps) add(app);
  return [...names];
}

function appEntries(app: PodApp): readonly PodEntry[] {
  const base = appSettings(app.name);
  const file = (name: string, text: string): PodEntry => ({
    kind: "file",
    path: `${base}/${name}`,
    text,
  });
  const { preStart, postStop } = app;
  return [
    { kind: "directory", path: base, mode: 0o755 },
    file("settings", lines(settings(app))),
    ...commandEntries("main", app, file),
    ...preStart === undefined ? [] : commandEntries("pre-start", preStart, file),
    ...postStop === undefined ? [] : commandEntries("post-stop", postStop, file),
    file("environment", list(app.environment)),
    file("directory", list([app.workingDirectory])),
    file("mounts", list(app.mounts.flatMap(mountWords))),
  ];
}

function commandEntries(
  name: string,
  { executables, arguments: words }: Command,
  file: (name: string, text: string) => PodEntry,
): readonly PodEntry[] {
  return [file(`${name}.executables`, list(executables)), file(`${name}.arguments`, list(words))];
}

const mountWords = ({ source, place, readOnly, recursive }: AppMount): readonly string[] => [
  source,
  place,
  `${readOnly ? "ro" : "rw"}${recursive ? ",recursive" : ""}`,
];

/** Lines that a shell can source: names of rkt's, numbers and words without a blank or quote. */
function settings(app: PodApp): readonly string[] {
  const { limits, streams } = app;
  const optional: readonly (readonly [string, number | bigint | undefined])[] = [
    ["oom_score_adj", app.oomScoreAdj],
    ["stop_signal", app.stopSignal],
    ["memory", limits.memory],
    ["swap", limits.swap],
    ["cpu_milli", limits.cpu],
    ["cpu_shares", limits.cpuShares],
    ["pids", limits.pids],
    ["io_weight", limits.ioWeight],
  ];
  return [
    `uid=${app.uid}`,
    `gid=${app.gid}`,
    `groups="${app.supplementaryGids.join(" ")}"`,
    `capabilities="${app.capabilities.map(capabilityName).join(" ")}"`,
    `ambient="${app.ambient.map(capabilityName).join(" ")}"`,
    `no_new_privileges=${app.noNewPrivileges}`,
    `read_only_root=${app.readOnlyRoot}`,
    `keep=${app.lifecycle.keep}`,
    ...Object.entries(streams).map(([name, mode]) => `${name}=${mode}`),
    ...optional.flatMap(([name, value]) => value === undefined ? [] : [`${name}=${value}`]),
    ...app.processLimits.map(({ resource, soft, hard }) =>
      `rlimit_${resource}=${limitText(soft)}:${limitText(hard)}`
    ),
  ];
}

/** `RLIM_INFINITY` (include/uapi/asm-generic/resource.h) */
const NO_LIMIT = 2n ** 64n - 1n;

const limitText = (limit: bigint): string => limit === NO_LIMIT ? "unlimited" : `${limit}`;
