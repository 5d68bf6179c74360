/**
 * Network type `flannel`: the network that flanneld keeps between hosts. Its part of this host, which flanneld writes to
 * a file, becomes the configuration of another type, a bridge unless `delegate` says otherwise.
 */
import { AppcError } from "../../appc/error.ts";
import { absolutePath, filledString, object, optional } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { networkOf, parsePrefix, prefixText } from "../model/address.ts";
import type { PluginConf } from "../model/cni.ts";

const SUBNET_FILE = "/run/flannel/subnet.env";

/** The configuration that a `flannel` stands for. */
export function delegateOfFlannel(plugin: PluginConf): PluginConf {
  const { json } = plugin;
  const path = optional(json.subnetFile, "subnetFile", absolutePath) ?? SUBNET_FILE;
  const subnet = readSubnet(path);
  const delegate = optional(json.delegate, "delegate", object) ?? {};
  if (
    delegate.ipam !== undefined &&
    optional(delegate.ipam, "delegate.ipam", object)?.type !== undefined
  ) {
    throw new AppcError("delegate.ipam.type", "is flannel's to say; leave it out");
  }
  if (delegate.name !== undefined) {
    throw new AppcError("delegate.name", "is that of the network; leave it out");
  }
  const type = optional(delegate.type, "delegate.type", filledString) ?? "bridge";
  if (type === "flannel") throw new AppcError("delegate.type", `is "flannel" itself`);
  return {
    type,
    at: plugin.at,
    json: {
      ipMasq: !subnet.masqueraded,
      mtu: subnet.mtu,
      ...type === "bridge" && { isGateway: true },
      ...delegate,
      type,
      ipam: {
        type: "host-local",
        ranges: subnet.subnets.map((each) => [{ subnet: each }]),
        routes: subnet.networks.map((dst) => ({ dst })),
        ...optional(delegate.ipam, "delegate.ipam", object),
      },
    },
  };
}

/** What flanneld says about this host. */
interface FlannelSubnet {
  readonly networks: readonly string[];
  /** This host's parts of them. */
  readonly subnets: readonly string[];
  readonly mtu: number;
  /** Whether flanneld itself sees to masquerading. */
  readonly masqueraded: boolean;
}

function readSubnet(path: string): FlannelSubnet {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new Failure(`${path} can't be read; is flanneld running?`, 254, { cause: error });
  }
  const values = new Map(
    text.split("\n").map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals).trim(), line.slice(equals + 1).trim()];
    }),
  );
  const prefixes = (names: readonly string[]) =>
    names.flatMap((name) => {
      const value = values.get(name) ?? "";
      if (value === "") return [];
      if (parsePrefix(value) === undefined) {
        throw new Failure(`${path}: ${name}: "${value}" is not a network`);
      }
      return [value];
    });
  const subnets = prefixes(["FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"]);
  const mtu = Number(values.get("FLANNEL_MTU") ?? NaN);
  if (subnets.length === 0) throw new Failure(`${path}: FLANNEL_SUBNET is missing`);
  if (!Number.isInteger(mtu) || mtu < 68) {
    throw new Failure(`${path}: FLANNEL_MTU is missing or no MTU`);
  }
  return {
    networks: prefixes(["FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"]),
    subnets: subnets.map(asNetwork),
    mtu,
    masqueraded: values.get("FLANNEL_IPMASQ") === "true",
  };
}

/** flanneld writes the first address of its part, `10.1.5.1/24`; the ranges of `host-local` begin with the network. */
function asNetwork(subnet: string): string {
  const prefix = parsePrefix(subnet);
  return prefix === undefined ? subnet : prefixText(networkOf(prefix));
}
