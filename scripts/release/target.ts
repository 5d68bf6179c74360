/** The machines that there are releases for. */

/** A machine, as each tool calls it. */
export interface Target {
  readonly machine: "x86_64" | "aarch64";
  readonly debian: "amd64" | "arm64";
}

/** All of them. */
export const TARGETS: readonly Target[] = [
  { machine: "x86_64", debian: "amd64" },
  { machine: "aarch64", debian: "arm64" },
];

/** A release in the making. */
export interface Release {
  /** The sources; ends with a slash. */
  readonly root: string;
  /** Where its files go. */
  readonly out: string;
  /** The time of all files, in seconds. */
  readonly date: number;
}
