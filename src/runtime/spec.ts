/**
 * The configuration of an OCI container: `config.json` of a bundle, as the runtime specification has it (config.md,
 * config-linux.md, version 1.2 and what of 1.3 is here). Fields that nobody knows are passed over, as it wants.
 */
import { AppcError, shown } from "../appc/error.ts";
import {
  array,
  boolean,
  field,
  filledString,
  integer,
  type JsonObject,
  object,
  optional,
  parseJsonObject,
  string,
  stringMap,
} from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import type { ContainerHook } from "../../stage1/container/container.ts";
import { type HookPoint, readHooks } from "./hooks/hook_spec.ts";
import { readSeccomp, type SeccompRules } from "./seccomp_spec.ts";

/** A configuration. */
export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly process?: ProcessSpec | undefined;
  readonly root?: { readonly path: string; readonly readonly: boolean } | undefined;
  readonly hostname?: string | undefined;
  readonly domainname?: string | undefined;
  readonly mounts: readonly MountSpec[];
  readonly hooks: Readonly<Record<HookPoint, readonly ContainerHook[]>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
}

/** A process. */
export interface ProcessSpec {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number } | undefined;
  readonly cwd: string;
  readonly env: readonly string[];
  readonly args: readonly string[];
  readonly rlimits: readonly {
    readonly type: string;
    readonly soft: number;
    readonly hard: number;
  }[];
  readonly apparmorProfile?: string | undefined;
  readonly selinuxLabel?: string | undefined;
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number | undefined;
  readonly capabilities?: Readonly<Record<CapabilitySet, readonly string[]>> | undefined;
  readonly user: UserSpec;
  readonly scheduler?: JsonObject | undefined;
  readonly ioPriority?: { readonly class: string; readonly priority: number } | undefined;
  readonly execCPUAffinity?: { readonly initial: string; readonly final: string } | undefined;
}

/** The names of the sets of capabilities. */
export type CapabilitySet = typeof CAPABILITY_SETS[number];
const CAPABILITY_SETS = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const;

/** Who a process is. */
export interface UserSpec {
  readonly uid: number;
  readonly gid: number;
  readonly umask?: number | undefined;
  readonly additionalGids: readonly number[];
}

/** A mount. */
export interface MountSpec {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/** A range of users or groups. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** What Linux alone has. */
export interface LinuxSpec {
  readonly namespaces: readonly {
    readonly type: NamespaceType;
    readonly path?: string | undefined;
  }[];
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  readonly timeOffsets: Readonly<
    Record<string, { readonly secs: number; readonly nanosecs: number }>
  >;
  readonly devices: readonly DeviceSpec[];
  readonly cgroupsPath?: string | undefined;
  readonly resources: JsonObject;
  readonly rootfsPropagation?: string | undefined;
  readonly seccomp?: SeccompRules | undefined;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly mountLabel?: string | undefined;
  readonly personality?: { readonly domain: string } | undefined;
  readonly intelRdt: boolean;
  readonly netDevices: boolean;
  readonly memoryPolicy?: JsonObject | undefined;
}

/** The kinds of namespaces. */
export type NamespaceType = typeof NAMESPACE_TYPES[number];
const NAMESPACE_TYPES = [
  "pid",
  "network",
  "mount",
  "ipc",
  "uts",
  "user",
  "cgroup",
  "time",
] as const;

/** A device. */
export interface DeviceSpec {
  readonly type: "b" | "c" | "u" | "p";
  readonly path: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode?: number | undefined;
  readonly uid: number;
  readonly gid: number;
}

const MOST_ID = 2 ** 32 - 2;
const id = (value: unknown, at: string) => integer(value ?? 0, at, 0, MOST_ID);

/**
 * Reads a configuration.
 *
 * @throws {Failure} it breaks a rule of the specification
 */
export function parseSpec(text: string): RuntimeSpec {
  try {
    return readSpec(parseJsonObject(text));
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`config.json: ${error.message}`, 1);
  }
}

function readSpec(spec: JsonObject): RuntimeSpec {
  const ociVersion = filledString(spec.ociVersion, "ociVersion");
  if (!/^1\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/.test(ociVersion)) {
    throw new AppcError("ociVersion", `${shown(ociVersion)} is none that this runtime knows: 1.x`);
  }
  return {
    ociVersion,
    process: optional(spec.process, "process", readProcess),
    root: optional(spec.root, "root", (value, at) => {
      const root = object(value, at);
      return {
        path: filledString(root.path, field(at, "path")),
        readonly: boolean(root.readonly, field(at, "readonly"), false),
      };
    }),
    hostname: optional(spec.hostname, "hostname", string),
    domainname: optional(spec.domainname, "domainname", string),
    mounts: array(spec.mounts, "mounts", readMount),
    hooks: readHooks(spec.hooks),
    annotations: readAnnotations(spec.annotations),
    linux: readLinux(object(spec.linux ?? {}, "linux")),
  };
}

function readAnnotations(value: unknown): Readonly<Record<string, string>> {
  const annotations = stringMap(value, "annotations");
  if (Object.hasOwn(annotations, "")) throw new AppcError("annotations", "one has no name");
  return annotations;
}

/**
 * Reads a process, of a configuration or of `exec --process`.
 *
 * @throws {AppcError}
 */
export function readProcess(value: unknown, at: string): ProcessSpec {
  const process = object(value, at);
  const of = (name: string) => field(at, name);
  const strings = (name: string) => array(process[name], of(name), string);
  const args = strings("args");
  const cwd = filledString(process.cwd, of("cwd"));
  if (!cwd.startsWith("/")) throw new AppcError(of("cwd"), `${shown(cwd)} is not an absolute path`);
  return {
    terminal: boolean(process.terminal, of("terminal"), false),
    consoleSize: optional(process.consoleSize, of("consoleSize"), (size, place) => {
      const { height, width } = object(size, place);
      const number = (each: unknown, name: string) =>
        integer(each ?? 0, field(place, name), 0, 65535);
      return { height: number(height, "height"), width: number(width, "width") };
    }),
    cwd,
    env: strings("env"),
    args,
    rlimits: array(process.rlimits, of("rlimits"), readLimit),
    apparmorProfile: optional(process.apparmorProfile, of("apparmorProfile"), string),
    selinuxLabel: optional(process.selinuxLabel, of("selinuxLabel"), string),
    noNewPrivileges: boolean(process.noNewPrivileges, of("noNewPrivileges"), false),
    oomScoreAdj: optional(
      process.oomScoreAdj,
      of("oomScoreAdj"),
      (each, place) => integer(each, place, -1000, 1000),
    ),
    capabilities: optional(process.capabilities, of("capabilities"), readCapabilities),
    user: readUser(process.user ?? {}, of("user")),
    scheduler: optional(process.scheduler, of("scheduler"), object),
    ioPriority: optional(process.ioPriority, of("ioPriority"), (each, place) => {
      const { class: name, priority } = object(each, place);
      return {
        class: filledString(name, field(place, "class")),
        priority: integer(priority ?? 0, field(place, "priority"), 0, 7),
      };
    }),
    execCPUAffinity: optional(process.execCPUAffinity, of("execCPUAffinity"), (each, place) => {
      const { initial, final } = object(each, place);
      return {
        initial: string(initial ?? "", field(place, "initial")),
        final: string(final ?? "", field(place, "final")),
      };
    }),
  };
}

function readLimit(value: unknown, at: string): ProcessSpec["rlimits"][number] {
  const { type, soft, hard } = object(value, at);
  const amount = (each: unknown, name: string) => integer(each, field(at, name), -1, 2 ** 64);
  return {
    type: filledString(type, field(at, "type")),
    soft: amount(soft, "soft"),
    hard: amount(hard, "hard"),
  };
}

function readCapabilities(value: unknown, at: string) {
  const sets = object(value, at);
  const set = (name: CapabilitySet) => array(sets[name], field(at, name), string);
  return {
    bounding: set("bounding"),
    effective: set("effective"),
    inheritable: set("inheritable"),
    permitted: set("permitted"),
    ambient: set("ambient"),
  };
}

function readUser(value: unknown, at: string): UserSpec {
  const user = object(value, at);
  return {
    uid: id(user.uid, field(at, "uid")),
    gid: id(user.gid, field(at, "gid")),
    umask: optional(
      user.umask,
      field(at, "umask"),
      (each, place) => integer(each, place, 0, 0o7777),
    ),
    additionalGids: array(user.additionalGids, field(at, "additionalGids"), id),
  };
}

function readMount(value: unknown, at: string): MountSpec {
  const mount = object(value, at);
  const mappings = (name: string) => array(mount[name], field(at, name), readMapping);
  const [uidMappings, gidMappings] = [mappings("uidMappings"), mappings("gidMappings")];
  if ((uidMappings.length === 0) !== (gidMappings.length === 0)) {
    throw new AppcError(at, "uidMappings and gidMappings go together");
  }
  const type = string(mount.type ?? "", field(at, "type"));
  return {
    destination: filledString(mount.destination, field(at, "destination")),
    type,
    source: string(mount.source ?? "", field(at, "source")),
    options: array(mount.options, field(at, "options"), string),
    uidMappings,
    gidMappings,
  };
}

function readMapping(value: unknown, at: string): IdMapping {
  const { containerID, hostID, size } = object(value, at);
  return {
    containerID: id(containerID, field(at, "containerID")),
    hostID: id(hostID, field(at, "hostID")),
    size: integer(size, field(at, "size"), 1, 2 ** 32 - 1),
  };
}

function readLinux(linux: JsonObject): LinuxSpec {
  const texts = (name: string) => array(linux[name], `linux.${name}`, filledString);
  const mappings = (name: string) => array(linux[name], `linux.${name}`, readMapping);
  return {
    namespaces: array(linux.namespaces, "linux.namespaces", readNamespace),
    uidMappings: mappings("uidMappings"),
    gidMappings: mappings("gidMappings"),
    timeOffsets: readTimeOffsets(linux.timeOffsets),
    devices: array(linux.devices, "linux.devices", readDevice),
    cgroupsPath: optional(linux.cgroupsPath, "linux.cgroupsPath", string),
    resources: object(linux.resources ?? {}, "linux.resources"),
    rootfsPropagation: optional(linux.rootfsPropagation, "linux.rootfsPropagation", string),
    seccomp: optional(linux.seccomp, "linux.seccomp", readSeccomp),
    sysctl: stringMap(linux.sysctl, "linux.sysctl"),
    maskedPaths: texts("maskedPaths"),
    readonlyPaths: texts("readonlyPaths"),
    mountLabel: optional(linux.mountLabel, "linux.mountLabel", string),
    personality: optional(linux.personality, "linux.personality", (value, at) => ({
      domain: filledString(object(value, at).domain, field(at, "domain")),
    })),
    intelRdt: linux.intelRdt !== undefined && linux.intelRdt !== null,
    netDevices: Object.keys(object(linux.netDevices ?? {}, "linux.netDevices")).length > 0,
    memoryPolicy: optional(linux.memoryPolicy, "linux.memoryPolicy", object),
  };
}

function readNamespace(value: unknown, at: string): LinuxSpec["namespaces"][number] {
  const { type, path } = object(value, at);
  const name = NAMESPACE_TYPES.find((each) => each === type);
  if (name === undefined) {
    throw new AppcError(field(at, "type"), `${shown(type)} is no kind of namespace`);
  }
  const given = optional(path, field(at, "path"), string) ?? "";
  if (given !== "" && !given.startsWith("/")) {
    throw new AppcError(field(at, "path"), `${shown(given)} is not an absolute path`);
  }
  return { type: name, ...given !== "" && { path: given } };
}

function readTimeOffsets(value: unknown): LinuxSpec["timeOffsets"] {
  const clocks = Object.entries(object(value ?? {}, "linux.timeOffsets"));
  return Object.fromEntries(clocks.map(([clock, each]) => {
    const at = `linux.timeOffsets.${clock}`;
    const { secs, nanosecs } = object(each, at);
    return [clock, {
      secs: integer(secs ?? 0, field(at, "secs"), -(2 ** 53), 2 ** 53),
      nanosecs: integer(nanosecs ?? 0, field(at, "nanosecs"), 0, 999_999_999),
    }];
  }));
}

function readDevice(value: unknown, at: string): DeviceSpec {
  const device = object(value, at);
  const type = (["b", "c", "u", "p"] as const).find((each) => each === device.type);
  if (type === undefined) {
    throw new AppcError(field(at, "type"), `${shown(device.type)} is none of b, c, u, p`);
  }
  const number = (name: string) =>
    integer(device[name] ?? (type === "p" ? 0 : undefined), field(at, name), 0, 2 ** 20);
  return {
    type,
    path: filledString(device.path, field(at, "path")),
    major: number("major"),
    minor: number("minor"),
    fileMode: optional(
      device.fileMode,
      field(at, "fileMode"),
      (each, place) => integer(each, place, 0, 0o177777),
    ),
    uid: id(device.uid, field(at, "uid")),
    gid: id(device.gid, field(at, "gid")),
  };
}
