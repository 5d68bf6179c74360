/** Where the apps' logs are, and the size of their records; logger.ts says what is in them. */

/** The directory of the logs, relative to the pod's directory. */
export const LOGS = "logs";

/** The size of a record's header in bytes. */
export const RECORD_HEADER = 24;

/** The path of an app's log, relative to the pod's directory; `older` is the log before it. */
export function logPath(app: string, older = false): string {
  return `${LOGS}/${app}${older ? ".1" : ""}`;
}
