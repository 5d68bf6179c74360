/** The kinds of records, each with its `MESSAGE_ID`: packaging/rkt.catalog explains them to journalctl(1). */

/** What a record is of. */
export type RecordKind = keyof typeof MESSAGE_IDS;

/** 128 bits by chance, as sd_id128_randomize(3) makes them: they never change. */
export const MESSAGE_IDS = {
  /** A pod starts. */
  "start": "bf713f12b12f420698c067c39f64caef",
  /** A pod has ended. */
  "end": "13c3677854c14ac997c82a2f4aeb5fbc",
  /** A pod's directory was removed. */
  "remove": "59b449d9287740799192f10ff93e54e9",
  /** A command was run in an app. */
  "enter": "24d0cad9c7a745cdb8e06bf00b6fe1d1",
  /** Files were copied into or out of an app. */
  "copy": "cd9ce47994b34d9d897a6bfcda2ae700",
  /** An app was started in a pod that runs. */
  "app-start": "b6b87c9b9ca74343ac253acd13e5dc74",
  /** An image came into the store. */
  "fetch": "682adb35e15c4b56ac890e0e3163442f",
  /** A key was trusted, refused or revoked. */
  "trust": "e2e667373dda46179ee8a50ddb1cfa0b",
} as const;

/** The kind that a `MESSAGE_ID` stands for; undefined where it is not one of ours. */
export function kindOf(messageId: string): RecordKind | undefined {
  return RECORD_KINDS.find((kind) => MESSAGE_IDS[kind] === messageId);
}

/** The kinds of records. */
export const RECORD_KINDS: readonly RecordKind[] = [
  "start",
  "end",
  "remove",
  "enter",
  "copy",
  "app-start",
  "fetch",
  "trust",
];
