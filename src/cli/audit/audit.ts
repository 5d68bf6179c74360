/** `rkt audit`: what was recorded of images, keys and pods. */
import { findRecords, type RecordQuery } from "../../audit/find_records.ts";
import type { AuditEntry } from "../../audit/read_records.ts";
import { AUDIT_FILE } from "../../audit/settings.ts";
import { Failure } from "../../failure.ts";
import { printNote } from "../../linux/printable.ts";
import { parseDuration } from "../grammar/duration.ts";
import type { Flags } from "../grammar/flags.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText, nanoseconds } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { table } from "../print/table.ts";
import { fullTime } from "../print/time.ts";

/** Prints records, the oldest first. */
export default async function audit({ flags, global }: Invocation): Promise<number> {
  const query = recordQuery(flags);
  const { entries, damaged } = await findRecords(`${global.dir}/${AUDIT_FILE}`, query);
  if (damaged > 0) printNote(`audit: ${damaged} record(s) in ${AUDIT_FILE} can't be read`);
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(jsonText(entries.map(recordJson), format === "json-pretty"));
    return 0;
  }
  const rows = entries.map((entry) => [
    fullTime(Number(entry.time / 1000n)),
    entry.kind,
    whoText(entry),
    entry.values("MESSAGE")[0] ?? "",
  ]);
  print(table(flags.on("no-legend") ? rows : [["TIME", "RECORD", "WHO", "WHAT"], ...rows]));
  return 0;
}

function recordQuery(flags: Flags): RecordQuery {
  const [pod, image, signer] = [flags.text("pod"), flags.text("image"), flags.text("signer")];
  const since = flags.text("since");
  if (pod !== undefined && !/^[0-9a-f-]+$/.test(pod)) {
    throw new Failure(`--pod=${pod}: not the beginning of a UUID`);
  }
  const digits = signer?.toLowerCase().replace(/^0x/, "").replaceAll(" ", "");
  if (digits !== undefined && !/^[0-9a-f]{8,64}$/.test(digits)) {
    throw new Failure(`--signer=${signer}: not a fingerprint, or its last digits, eight at least`);
  }
  return {
    ...since !== undefined && { since: sinceTime(since, Date.now()) },
    ...pod !== undefined && { pod },
    ...image !== undefined && { image },
    ...digits !== undefined && { signer: digits },
  };
}

/**
 * The time that `--since` means: a duration back from now, or a date.
 *
 * @returns microseconds since 1970
 */
export function sinceTime(text: string, now: number): bigint {
  const days = /^(\d+)d$/.exec(text);
  const back = days === null ? parseDuration(text) : Number(days[1]) * 86_400_000;
  const time = Number.isNaN(back) ? dateOf(text) : now - back;
  if (Number.isNaN(time)) {
    throw new Failure(
      `--since=${text}: neither a duration like 2h or 7d nor a time like 2026-11-30`,
    );
  }
  return BigInt(Math.floor(time)) * 1000n;
}

/** A date, or a date and a time: of the local time zone unless they say otherwise. */
function dateOf(text: string): number {
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) return NaN;
  return Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"));
}

/** No login: `(uid_t) -1`, see /proc/PID/loginuid in proc(5). */
const NO_LOGIN = "4294967295";

/** The login user; undefined where nobody has logged in, as in services. */
function loginOf(entry: AuditEntry): string | undefined {
  const [login = ""] = entry.values("RKT_LOGIN_UID");
  return login === "" || login === NO_LOGIN ? undefined : login;
}

/** The unit or scope that who asked was in: as the journal says, or by the cgroup. */
function unitOf(entry: AuditEntry): string | undefined {
  const [unit] = entry.values("_SYSTEMD_UNIT");
  if (unit !== undefined) return unit;
  const [cgroup = ""] = entry.values("RKT_CGROUP");
  // On a host with cgroups of both versions the unit may be in one of them only.
  return cgroup.split("\n").filter((line) => /^(0:|\d+:name=systemd):/.test(line))
    .flatMap((line) => line.split("/")).findLast((part) => /\.(service|scope)$/.test(part));
}

function whoText(entry: AuditEntry): string {
  const [uid] = entry.values("RKT_UID");
  if (uid === undefined) return "-"; // an end has no one behind it
  const login = loginOf(entry);
  const unit = unitOf(entry);
  return [
    ...login !== undefined && login !== uid ? [`uid ${uid}, login ${login}`] : [`uid ${uid}`],
    ...unit === undefined ? [] : [unit],
  ].join(", ");
}

function recordJson(entry: AuditEntry) {
  const of = (name: string) => entry.values(`RKT_${name}`);
  const one = (key: string, name: string) => {
    const [value] = of(name);
    return value === undefined || value === "" ? {} : { [key]: value };
  };
  const many = (key: string, name: string) => of(name).length === 0 ? {} : { [key]: of(name) };
  const [uid, status] = [of("UID")[0], of("STATUS")[0]];
  const login = loginOf(entry);
  const unit = unitOf(entry);
  return {
    time: nanoseconds(Number(entry.time) / 1000),
    record: entry.kind,
    ...one("pod", "POD"),
    ...of("APP").length > 0 && { apps: of("APP").map(appJson) },
    ...of("APP").length === 0 && one("app", "APP_NAME"),
    ...of("APP").length === 0 && { ...one("image", "IMAGE"), ...one("image_id", "IMAGE_ID") },
    ...many("signers", "SIGNER"),
    ...many("privileges", "PRIVILEGE"),
    ...status !== undefined && { status: Number(status) },
    ...one("source", "SOURCE"),
    ...one("verified_by", "VERIFIED"),
    ...one("decision", "DECISION"),
    ...one("key", "KEY"),
    ...one("identity", "IDENTITY"),
    ...one("decided_by", "DECIDED_BY"),
    ...of("PREFIX").length > 0 && { prefix: of("PREFIX")[0] },
    ...one("command", "COMMAND"),
    ...one("direction", "DIRECTION"),
    ...one("path", "PATH"),
    ...one("host_path", "HOST_PATH"),
    ...uid !== undefined && { uid: Number(uid) },
    ...login !== undefined && { login_uid: Number(login) },
    ...unit !== undefined && { unit },
    from: entry.from,
  };
}

/** `NAME IMAGE ID SIGNER…` */
function appJson(text: string) {
  const [name = "", image = "", imageId = "", ...signers] = text.split(" ");
  return { name, image, image_id: imageId, signers };
}
