/**
 * The networks there are: those that files in `net.d` of the local configuration describe, in the order of the files'
 * names, and behind them the built-in ones, unless a file has a network of the same name.
 */
import { Failure } from "../../failure.ts";
import type { NetworkConf } from "../model/cni.ts";
import { parseNetworkConf, type PluginFile } from "./network_conf.ts";
import { ifThere } from "../../linux/exists.ts";

const BUILT_IN: readonly { readonly name: string; readonly type: string }[] = [
  {
    name: "default",
    type: "ptp",
    ipMasq: true,
    ipam: {
      type: "host-local",
      subnet: "172.16.28.0/24",
      ipv6: true,
      routes: [{ dst: "0.0.0.0/0" }],
    },
  },
  {
    name: "default-restricted",
    type: "ptp",
    ipMasq: false,
    ipam: { type: "host-local", subnet: "172.31.0.0/16", ipv6: true },
  },
].map((conf) => ({ cniVersion: "0.1.0", ...conf }));

/** The networks that need no file. */
export function builtInNetworks(): readonly NetworkConf[] {
  return BUILT_IN.map((json) => ({
    name: json.name,
    cniVersion: "0.1.0",
    plugins: [{ type: json.type, json, at: `built-in network "${json.name}"` }],
    text: JSON.stringify(json),
  }));
}

/** Where configurations of networks are. */
function networkDirectory(localConfig: string): string {
  return `${localConfig}/net.d`;
}

/** How files are read; a start notes what it has read. */
export interface NetworkFiles {
  /** The names in a directory; undefined where there is none. */
  names(path: string): readonly string[] | undefined;
  text(path: string): string;
}

const HERE: NetworkFiles = {
  names(path) {
    return ifThere(() => Array.from(Deno.readDirSync(path), ({ name }) => name));
  },
  text: (path) => Deno.readTextFileSync(path),
};

/** The paths of the files that describe networks, sorted by name. */
function networkFiles(directory: string, files: NetworkFiles): readonly string[] {
  try {
    return (files.names(directory) ?? []).filter((name) => /\.conf(list)?$/.test(name))
      .toSorted().map((name) => `${directory}/${name}`);
  } catch (error) {
    throw new Failure(`${directory} can't be read`, 254, { cause: error });
  }
}

function readNetwork(path: string, files: NetworkFiles): NetworkConf {
  return parseNetworkConf(
    readText(path, files),
    path,
    (network) => pluginFiles(path, network, files),
  );
}

function readText(path: string, files: NetworkFiles): string {
  try {
    return files.text(path);
  } catch (error) {
    throw new Failure(`${path} can't be read`, 254, { cause: error });
  }
}

/** The files of a list's plugins: `NAME/*.conf` beside it, sorted by name (CNI 1.1, "Plugin configuration objects"). */
function pluginFiles(list: string, network: string, files: NetworkFiles): readonly PluginFile[] {
  const directory = `${list.slice(0, list.lastIndexOf("/"))}/${network}`;
  return networkFiles(directory, files).filter((path) => path.endsWith(".conf"))
    .map((path) => ({ path, text: readText(path, files) }));
}

/**
 * All networks, in the order in which a pod joins them.
 *
 * @throws {Failure} of a file that is wrong, or describes a network that another one describes
 */
export function allNetworks(localConfig: string, files = HERE): readonly NetworkConf[] {
  const configured = networkFiles(networkDirectory(localConfig), files)
    .map((path) => readNetwork(path, files));
  const byName = new Map<string, NetworkConf>();
  for (const network of configured) {
    const other = byName.get(network.name);
    if (other !== undefined) {
      throw new Failure(
        `${network.path}: name: there is a network "${network.name}" in ${other.path} already; rename or remove one`,
      );
    }
    byName.set(network.name, network);
  }
  return [...configured, ...builtInNetworks().filter(({ name }) => !byName.has(name))];
}

/** A network that the pod is to join. */
export interface ChosenNetwork {
  readonly network: NetworkConf;
  /** `CNI_ARGS` of `--net`. */
  readonly args: string;
}

/**
 * The networks of a `--net`, in the order in which the pod joins them: that of {@linkcode allNetworks}.
 *
 * @throws {Failure} names the network that there is not
 */
export function chooseNetworks(
  asked: readonly { readonly name: string; readonly args: string }[],
  all: readonly NetworkConf[],
): readonly ChosenNetwork[] {
  const unknown = asked.find(({ name }) =>
    name !== "all" && !all.some((network) => network.name === name)
  );
  if (unknown !== undefined) {
    const names = all.map(({ name }) => name).join(", ");
    throw new Failure(`--net: there is no network "${unknown.name}"; there are ${names}`);
  }
  const every = asked.some(({ name }) => name === "all");
  return all.flatMap((network) => {
    const one = asked.find(({ name }) => name === network.name);
    return one === undefined && !every ? [] : [{ network, args: one?.args ?? "" }];
  });
}
