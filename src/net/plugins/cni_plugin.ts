/** External plugins of the Container Network Interface: programs that set up a network, or a part of it. */
import { AppcError } from "../../appc/error.ts";
import { array, type JsonObject, parseJsonObject, string } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { ipText } from "../model/address.ts";
import type { Attachment, CniResult, NetworkConf, PluginConf } from "../model/cni.ts";
import type { Forward } from "../model/forward.ts";
import { runProgram } from "./plugin_process.ts";
import { parseResult, resultJson, versionAtLeast } from "./cni_result.ts";

/** What a plugin is to do. */
export interface PluginCall {
  /** From CNI 1.1 on, STATUS: whether it could do ADD now; and GC: to remove all but some attachments. */
  readonly command: "ADD" | "CHECK" | "DEL" | "STATUS" | "GC";
  readonly network: NetworkConf;
  readonly plugin: PluginConf;
  /** Absent for STATUS and GC, which are about the network. */
  readonly attachment?: Attachment;
  /** GC: the attachments that are left. */
  readonly validAttachments?: readonly Pick<Attachment, "containerId" | "ifName">[];
  /** What the plugin before it in the list answered; for CHECK and DEL, what the last one answered to ADD. */
  readonly previous?: CniResult;
  /** The directories to look for programs in. */
  readonly directories: readonly string[];
  /** Values of capabilities, like `portMappings`; a plugin gets those that its configuration says it has. */
  readonly capabilities?: JsonObject;
  /** Milliseconds that the plugin may take. Default: two minutes. */
  readonly timeLimit?: number;
}

/** Milliseconds that a plugin may take. */
const TIME_LIMIT = 120_000;

/** The code of the error that a plugin does not speak the version that it was asked in (CNI specification, "Error"). */
const INCOMPATIBLE_VERSION = 1;

/** The codes of STATUS that ADD could not be done now. */
const NOT_READY: readonly number[] = [50, 51];

/** Where programs of plugins are looked for. All are absolute: plugins are executed in another directory. */
export function pluginDirectories(localConfig: string): readonly string[] {
  const config = localConfig.startsWith("/") ? localConfig : `${Deno.cwd()}/${localConfig}`;
  return [`${config}/net.d`, "/usr/lib/rkt/plugins/net", "/usr/lib/cni", "/opt/cni/bin"];
}

/** The path of the program for a type. Undefined where no directory has one. */
export function findPlugin(type: string, directories: readonly string[]): string | undefined {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(type)) return undefined;
  return directories.map((directory) => `${directory}/${type}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

/** Whether a plugin has a capability, like `portMappings`. */
export const hasCapability = (plugin: PluginConf, capability: string): boolean =>
  capabilityNames(plugin).includes(capability);

function capabilityNames({ json: { capabilities } }: PluginConf): readonly string[] {
  const configured = typeof capabilities === "object" && capabilities !== null ? capabilities : {};
  return Object.entries(configured).filter(([, has]) => has === true).map(([name]) => name);
}

/** Forwards as the capability `portMappings` has them: one for each port. */
export function portMappings(forwards: readonly Forward[]): readonly JsonObject[] {
  return forwards.flatMap(({ protocol, hostIp, hostPort, podPort, count }) =>
    Array.from({ length: count }, (_, i) => ({
      hostPort: hostPort + i,
      containerPort: podPort + i,
      protocol,
      ...hostIp !== undefined && { hostIP: ipText(hostIp) },
    }))
  );
}

/**
 * Runs a plugin in this thread's network namespace and waits for it.
 *
 * @returns the result of ADD; undefined for the other commands
 * @throws {Failure} the plugin is not there, says that it failed, or takes too long
 */
export async function execPlugin(call: PluginCall): Promise<CniResult | undefined> {
  const { command, network, plugin, directories, attachment } = call;
  const path = programOf(call);
  const who = `network "${network.name}": plugin ${plugin.type} (${path})`;
  const timeLimit = call.timeLimit ?? TIME_LIMIT;
  const { success, stdout, stderr } = await runProgram(
    path,
    who,
    {
      CNI_COMMAND: command,
      ...attachment && {
        CNI_CONTAINERID: attachment.containerId,
        CNI_NETNS: attachment.netns,
        CNI_IFNAME: attachment.ifName,
        CNI_ARGS: pluginArguments(attachment.args),
      },
      CNI_PATH: directories.join(":"),
    },
    pluginInput(call),
    timeLimit,
  );
  // What does not know the question is asked to ADD, and says then what is wrong.
  if (command === "STATUS" && !NOT_READY.includes(parseError(stdout)?.code ?? 0)) return undefined;
  if (!success) throw new Failure(`${who}: ${await errorText(call, path, who, stdout, stderr)}`);
  if (command !== "ADD") return undefined;
  try {
    return parseResult(stdout);
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${who}: its answer can't be read: ${error.message}`);
  }
}

function programOf({ network, plugin, directories }: PluginCall): string {
  const { plugin: configured } = plugin.json;
  if (typeof configured === "string") {
    if (configured.startsWith("/") && isExecutable(configured)) return configured;
    throw new Failure(
      `${plugin.at}: the plugin ${
        JSON.stringify(configured)
      } is not the absolute path of a program`,
    );
  }
  const path = findPlugin(plugin.type, directories);
  if (path !== undefined) return path;
  throw new Failure(
    `network "${network.name}": no plugin of type ${JSON.stringify(plugin.type)} (${plugin.at}); ` +
      `it is not built in, and not in ${directories.join(", ")}`,
  );
}

/**
 * `CNI_ARGS`. Each plugin of a network gets all of them, and Debian's refuse what they don't know, unless they are told to
 * leave it alone.
 */
function pluginArguments(args: string): string {
  if (args === "" || /(^|;)IgnoreUnknown=/.test(args)) return args;
  return `IgnoreUnknown=1;${args}`;
}

/** What a plugin reads: its configuration as the specification derives it ("Deriving execution configuration"). */
function pluginInput(
  { command, network, plugin, previous, capabilities = {}, validAttachments }: PluginCall,
): string {
  const { cniVersion, name } = network;
  const { capabilities: _, ...own } = plugin.json;
  const names = capabilityNames(plugin);
  const values = Object.entries(capabilities).filter(([capability]) => names.includes(capability));
  // Chains came with 0.3.0; and that DEL gets the result, with 0.4.0.
  const chained = versionAtLeast(cniVersion, command === "ADD" ? "0.3.0" : "0.4.0");
  return JSON.stringify({
    ...own,
    cniVersion,
    name,
    ...values.length > 0 && { runtimeConfig: Object.fromEntries(values) },
    ...chained && previous !== undefined && { prevResult: resultJson(previous, cniVersion) },
    ...validAttachments && {
      "cni.dev/valid-attachments": validAttachments.map(({ containerId, ifName }) => ({
        containerID: containerId,
        ifname: ifName,
      })),
    },
  });
}

/** What a plugin says of its failure, in one line: the specification's error object, else its last words. */
async function errorText(
  { command, network: { cniVersion } }: PluginCall,
  path: string,
  who: string,
  stdout: string,
  stderr: string,
): Promise<string> {
  const error = parseError(stdout);
  if (error === undefined) {
    const words = (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";
    return `${command} failed${words === "" ? " and said nothing" : `: ${oneLine(words)}`}`;
  }
  if (error.code === INCOMPATIBLE_VERSION) {
    const versions = await pluginVersions(path, who);
    if (versions.length > 0) {
      return `it does not speak CNI ${cniVersion}; make cniVersion one of ${versions.join(", ")}`;
    }
  }
  return `${command} failed: ${oneLine(error.text)}`;
}

/** The versions of CNI that a plugin supports. Empty where it does not answer VERSION. */
async function pluginVersions(path: string, who: string): Promise<readonly string[]> {
  const env = { CNI_COMMAND: "VERSION" };
  const { stdout } = await runProgram(
    path,
    who,
    env,
    JSON.stringify({ cniVersion: "1.1.0" }),
    TIME_LIMIT,
  );
  try {
    return array(parseJsonObject(stdout).supportedVersions, "supportedVersions", string);
  } catch (error) {
    if (error instanceof AppcError) return [];
    throw error;
  }
}

function parseError(text: string): { readonly code: number; readonly text: string } | undefined {
  try {
    const { code, msg, details } = parseJsonObject(text);
    const words = [msg, details].filter((each) => typeof each === "string" && each !== "");
    return typeof code !== "number" || words.length === 0
      ? undefined
      : { code, text: words.join(": ") };
  } catch (error) {
    if (error instanceof AppcError) return undefined;
    throw error;
  }
}

/** Characters of a plugin's error that are passed on. */
const ERROR_LENGTH = 1000;

/** Words without line breaks and other control characters, and not endless. */
function oneLine(words: string): string {
  const line = words.replace(/[\p{Cc}\s]+/gu, " ").trim();
  return line.length > ERROR_LENGTH ? `${line.slice(0, ERROR_LENGTH)}…` : line;
}
