import { AppcError, shown } from "./error.ts";
import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import { array, field, object, string, unique } from "./json_value.ts";

/** One label of an image: together with its name, labels tell images apart. */
export interface Label {
  readonly name: AcIdentifier;
  readonly value: string;
}

/** The architectures that may stand beside each operating system ("Image Manifest Schema", labels). */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  linux: [
    ...["amd64", "i386", "aarch64", "aarch64_be", "armv6l", "armv7l", "armv7b"],
    ...["ppc64", "ppc64le", "s390x"],
  ],
  freebsd: ["amd64", "i386", "arm"],
  darwin: ["x86_64", "i386"],
};

/** What `uname -m` and Deno call a machine, and what the `arch` label calls it. */
const MACHINE_ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "aarch64",
};

/**
 * Reads a list of labels: names unique and never `name`, `os` and `arch` known.
 *
 * @throws {AppcError}
 */
export function parseLabels(value: unknown, at: string): readonly Label[] {
  const labels = unique(array(value, at, parseLabel), at, (label) => label.name);
  checkPlatform(labels, at);
  return labels;
}

/** The value of a label; `undefined` where there is none of that name. */
export function labelValue(labels: readonly Label[], name: string): string | undefined {
  return labels.find((label) => label.name === name)?.value;
}

/** Whether `labels` has all of `wanted`, with the same values. */
export function hasLabels(labels: readonly Label[], wanted: readonly Label[]): boolean {
  return wanted.every(({ name, value }) => labelValue(labels, name) === value);
}

/** The `arch` label of images for a machine, as `Deno.build.arch` names it. */
export function architectureLabel(machine: string): string {
  return MACHINE_ARCHITECTURES[machine] ?? machine;
}

/**
 * Refuses `os` and `arch` that the specification doesn't know; `arch` only where there is an `os`.
 *
 * @throws {AppcError}
 */
export function checkPlatform(labels: readonly Label[], at: string): void {
  const os = labelValue(labels, "os");
  if (os === undefined) return;
  const known = Object.hasOwn(ARCHITECTURES, os) ? ARCHITECTURES[os] : undefined;
  if (known === undefined) {
    const all = Object.keys(ARCHITECTURES).join(", ");
    throw new AppcError(at, `os ${shown(os)} is not one of ${all}`);
  }
  const arch = labelValue(labels, "arch");
  if (arch !== undefined && !known.includes(arch)) {
    throw new AppcError(at, `arch ${shown(arch)} is not one of ${known.join(", ")} (os ${os})`);
  }
}

function parseLabel(value: unknown, at: string): Label {
  const label = object(value, at);
  const name = parseAcIdentifier(label.name, field(at, "name"));
  if (name === "name") {
    throw new AppcError(field(at, "name"), '"name" is not allowed as the name of a label');
  }
  return { name, value: string(label.value, field(at, "value")) };
}
