/** Names a pod: its rules and its record belong to it. */
export interface PodRef {
  readonly uuid: string;
  /** An absolute path. Two data directories know nothing of each other's pods. */
  readonly dataDir: string;
}
