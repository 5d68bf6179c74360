/** Network types whose link lies on one of the host's, `master`: `macvlan`, `ipvlan`, `vlan`; and `dummy`, on nothing. */
import { AppcError } from "../../appc/error.ts";
import { integer, type JsonObject, optional, string } from "../../appc/json_value.ts";
import type { Bytes } from "../../linux/bytes.ts";
import { ERRNO } from "../../linux/errno.ts";
import { type Allocation, cniArgs } from "../ipam/ipam.ts";
import { NetlinkError } from "../kernel/netlink.ts";
import {
  type AttachContext,
  type Attached,
  macField,
  macText,
  masterLink,
  mtuField,
  setUpPodLink,
} from "./pod_link.ts";
import {
  addLink,
  ipvlan,
  IPVLAN_MODES,
  macvlan,
  MACVLAN_MODES,
  vlan,
} from "../kernel/rtnetlink_link.ts";

/** One of the keys of an object. */
function choice<T extends string>(
  value: unknown,
  at: string,
  choices: Readonly<Record<T, number>>,
  fallback: T,
): T {
  const text = optional(value, at, string) ?? "";
  if (text === "") return fallback;
  const names = Object.keys(choices) as T[];
  const found = names.find((name) => name === text);
  if (found === undefined) throw new AppcError(at, `"${text}" is none of ${names.join(", ")}`);
  return found;
}

/** The attributes of each type. */
const KINDS: Readonly<Record<string, (json: JsonObject) => readonly Bytes[]>> = {
  macvlan: (json) => [macvlan(choice(json.mode, "mode", MACVLAN_MODES, "bridge"))],
  ipvlan: (json) => [ipvlan(choice(json.mode, "mode", IPVLAN_MODES, "l2"))],
  vlan: (json) => [vlan(integer(json.vlanId, "vlanId", 0, 4094))],
  dummy: () => [],
};

/** Joins a pod to such a network. */
export function attachParentLink(context: AttachContext, allocation: Allocation): Attached {
  const { host, namespace, attachment, plugin: { type, json } } = context;
  const attributes = KINDS[type];
  if (attributes === undefined) throw new Error(`"${type}" is not a type of such a link`);
  const data = attributes(json);
  const mtu = mtuField(json);
  const parent = type === "dummy" ? undefined : masterLink(host, json);
  const asked = cniArgs(attachment.args).get("MAC");
  const mac = asked === undefined || type !== "macvlan" ? {} : { mac: macField(asked, "MAC") };
  const link = {
    name: attachment.ifName,
    namespace,
    ...parent && { parent: parent.index },
    ...mtu !== undefined && { mtu },
    ...mac,
  };
  try {
    host.requests([addLink(type, link, ...data)]);
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== ERRNO.EOPNOTSUPP) throw error;
    throw new AppcError("type", `this kernel has no ${type} (${error.message})`);
  }
  const podLink = setUpPodLink(context, allocation);
  return {
    result: {
      ...allocation,
      interfaces: [{ name: link.name, mac: macText(podLink.mac), sandbox: attachment.netns }],
      ips: allocation.ips.map((ip) => ({ ...ip, interface: 0 })),
    },
    switched: true,
    masqueraded: false,
  };
}
