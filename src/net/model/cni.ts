/**
 * Types of the Container Network Interface (CNI specification 1.1.0): configurations of networks, and results of plugins,
 * built in or external.
 */
import type { JsonObject } from "../../appc/json_value.ts";
import type { IpAddress, IpPrefix } from "./address.ts";

/** A plugin's part of a network's configuration. */
export interface PluginConf {
  /** `bridge`, `ptp`, …: built in, or the name of an executable. */
  readonly type: string;
  /** The object as it was written, without `name` and `cniVersion` of a list. */
  readonly json: JsonObject;
  /** Where in which file it stands, for errors: `/etc/rkt/net.d/10-a.conflist: plugins[1]`. */
  readonly at: string;
}

/** A network: one plugin, or a chain of several. */
export interface NetworkConf {
  readonly name: string;
  /** The newest version of CNI that the configuration may use, like `0.4.0`; 0.1.0 where it says nothing. */
  readonly cniVersion: string;
  readonly plugins: readonly [PluginConf, ...PluginConf[]];
  /** Whether plugins must not be called for CHECK. */
  readonly disableCheck?: boolean;
  /** Whether plugins must not be called for GC: others than rkt use the network, too. */
  readonly disableGC?: boolean;
  /** The file it was read from; absent for a built-in network. */
  readonly path?: string;
  /** The text of the file; for a built-in network the text that such a file would have. */
  readonly text: string;
}

/** An interface that a plugin has made. */
export interface CniInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  /** The path of the namespace; absent for an interface of the host's. */
  readonly sandbox?: string;
}

/** An address of the pod. */
export interface CniIp {
  /** Index into the result's interfaces. */
  readonly interface?: number;
  readonly address: IpPrefix;
  readonly gateway?: IpAddress;
}

/** A route of the pod. */
export interface CniRoute extends RouteDetails {
  readonly to: IpPrefix;
  readonly via?: IpAddress;
}

/** What CNI 1.1 says of a route beyond where it leads to; each as in `ip route`. */
export interface RouteDetails {
  /** Bytes of a packet at most. */
  readonly mtu?: number;
  /** Bytes of a TCP segment at most. */
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
}

/** DNS settings for the pod's resolv.conf. */
export interface CniDns {
  readonly nameservers: readonly string[];
  readonly domain?: string | undefined;
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** A plugin's result of ADD, in one form for all versions of CNI. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
  /** The object as an external plugin wrote it, with what is not understood here. */
  readonly json?: JsonObject;
}

/** The parameters by which plugins know the pod. */
export interface Attachment {
  /** `CNI_CONTAINERID`: the pod's UUID. */
  readonly containerId: string;
  /** `CNI_NETNS`. */
  readonly netns: string;
  /** `CNI_IFNAME`: `eth0`, `eth1`, … */
  readonly ifName: string;
  /** `CNI_ARGS`: `KEY=VALUE;…` of `--net`, empty mostly. */
  readonly args: string;
}
