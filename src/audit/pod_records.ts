/** What is recorded of a pod's start, end and removal. */
import { DEFAULT_CAPABILITIES } from "../appc/default_capabilities.ts";
import { capabilityName } from "../linux/capabilities.ts";
import type { AuditRecord, Pod, PodApp, PodAudit } from "../../stage1/pod.ts";
import type { AuditDestinations } from "./settings.ts";
import { commonFields, fieldBytes, lastField, type RecordField } from "./record_fields.ts";
import type { RecordKind } from "./record_kinds.ts";

/** An app, as records name it. */
export interface RecordedApp {
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  /** Fingerprints of the keys whose signatures of the image, and of those below it, were verified. */
  readonly signers: readonly string[];
}

/** The most characters of a text in the kernel's audit log (`MAX_AUDIT_MESSAGE_LENGTH` is 8970). */
const MOST_KERNEL_TEXT = 8000;

/** `run` and its like insist on it, and the launcher goes no other way. */
const ROOT: RecordField = ["RKT_UID", "0"];

/** The records of a pod. */
export function podAudit(
  pod: Pod,
  apps: readonly RecordedApp[],
  to: AuditDestinations,
): PodAudit {
  const { uuid } = pod;
  return {
    ...to,
    start: startRecord(pod, apps),
    end: record("end", uuid, []),
    ...pod.removal && { removal: record("remove", uuid, [ROOT]) },
  };
}

function startRecord(pod: Pod, apps: readonly RecordedApp[]): AuditRecord {
  const privileges = [...podPrivileges(pod), ...pod.apps.flatMap(appPrivileges)];
  const fields: RecordField[] = [
    ROOT,
    ...appFields(apps),
    ...privileges.map((text): RecordField => ["RKT_PRIVILEGE", text]),
  ];
  return record("start", pod.uuid, fields, apps);
}

/** The fields that name apps. */
export function appFields(apps: readonly RecordedApp[]): RecordField[] {
  const fields = apps.flatMap(({ name, image, imageId, signers }): RecordField[] => [
    ["RKT_APP", [name, image, imageId, ...signers].join(" ")],
    ["RKT_APP_NAME", name],
    ["RKT_IMAGE", image],
    ["RKT_IMAGE_ID", imageId],
    ...signers.map((signer): RecordField => ["RKT_SIGNER", signer]),
  ]);
  // Several apps may have the same image.
  return [...new Map(fields.map((field) => [field.join("="), field])).values()];
}

function record(
  kind: RecordKind,
  uuid: string,
  fields: readonly RecordField[],
  apps: readonly RecordedApp[] = [],
): AuditRecord {
  const what = kind === "start"
    ? `starts: ${apps.map(({ name, image }) => `${name} of ${image}`).join(", ") || "no apps yet"}`
    : kind === "end"
    ? "has ended"
    : "was removed";
  const all: RecordField[] = [
    ...commonFields(kind, `Pod ${uuid} ${what}`),
    ["RKT_POD", uuid],
    ...fields,
  ];
  return { fields: fieldBytes(all), last: lastField(kind), kernel: kernelText(kind, uuid, apps) };
}

/** A text as audit's own tools write theirs: `name=value`, and what others chose in hexadecimal if it needs quotes. */
function kernelText(kind: RecordKind, uuid: string, apps: readonly RecordedApp[]): string {
  const head = `op=rkt-${kind} pod=${uuid}`;
  const words = apps.flatMap(({ name, image, imageId, signers }) => [
    `app=${name}`,
    `image=${/^[\x21-\x7e]+$/.test(image) ? image : new TextEncoder().encode(image).toHex()}`,
    `image-id=${imageId}`,
    ...signers.map((signer) => `signer=${signer}`),
  ]);
  const text = [head, ...words].join(" ");
  return text.length <= MOST_KERNEL_TEXT ? text : `${text.slice(0, MOST_KERNEL_TEXT)}...`;
}

/** What of the host's a pod has that pods don't have by default. */
function podPrivileges({ network, ipc, protectPaths, sysctls }: Pod): string[] {
  return [
    ...network.kind === "host" ? ["the host's network"] : [],
    ...ipc === "parent" ? ["the caller's IPC namespace"] : [],
    ...protectPaths ? [] : ["all of /proc and /sys"],
    ...sysctls.map(([path, value]) => `sysctl ${path}=${value}`),
  ];
}

/** What an app may do beyond the default, and which files and devices of the host it has. */
export function appPrivileges(
  { name, capabilities, systemCalls, mounts, limits }: PodApp,
): string[] {
  const more = capabilities.map(capabilityName).filter((each) =>
    !DEFAULT_CAPABILITIES.includes(each)
  );
  const of = (text: string) => `${name}: ${text}`;
  return [
    ...more.length === 0 ? [] : [of(`capabilities ${more.join(" ")}`)],
    ...systemCalls === undefined ? [of("all system calls")] : [],
    ...systemCalls !== undefined && systemCalls.calls !== "default"
      ? [of("system calls of its own choice")]
      : [],
    ...mounts.filter(({ source }) => source.startsWith("/")).map(({ source, readOnly, device }) =>
      of(`${device === undefined ? "volume" : "device"} ${source}${readOnly ? " read-only" : ""}`)
    ),
    ...limits.devices === undefined ? [] : [of("devices of its own choice")],
  ];
}
