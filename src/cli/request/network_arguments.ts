import { parseAcName } from "../../appc/name.ts";
import type { ExposedPort } from "../../appc/pod_manifest.ts";
import { LAST_PORT } from "../../appc/port.ts";
import { Failure } from "../../failure.ts";
import type { NetworkName, NetworkRequest } from "../../start/request.ts";
import { isIpAddress } from "./ip_address.ts";
import { noneTwice, wholeNumber } from "../grammar/key_values.ts";

/**
 * Reads the values of `--net`: `NAME[:KEY=VALUE;…]` each.
 *
 * @throws {Failure} a name twice, or `none` or `host` beside others
 */
export function parseNetworks(values: readonly string[]): NetworkRequest {
  const [only = ""] = values;
  if (values.length === 1 && (only === "host" || only === "none")) return { kind: only };
  const networks = values.map(parseNetwork);
  noneTwice("--net", networks, (network) => network.name);
  for (const kind of ["host", "none"] as const) {
    if (!networks.some((network) => network.name === kind)) continue;
    throw new Failure(
      networks.length > 1
        ? `--net: ${kind} can't stand beside other networks`
        : `--net: ${kind} takes no arguments`,
    );
  }
  if (networks.length === 0) throw new Failure("--net needs none, host or names of networks");
  return { kind: "networks", networks };
}

function parseNetwork(value: string): NetworkName {
  const colon = value.indexOf(":");
  const name = colon < 0 ? value : value.slice(0, colon);
  const args = colon < 0 ? "" : value.slice(colon + 1);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new Failure(`--net: ${JSON.stringify(name)} is not the name of a network`);
  }
  const bad = args.split(";").find((pair) => pair !== "" && !/^[^=]+=/.test(pair));
  if (bad !== undefined) {
    throw new Failure(`--net: ${name}: ${JSON.stringify(bad)} is not of the form KEY=VALUE`);
  }
  return { name, args };
}

/**
 * Reads `NAME:[ADDRESS:]PORT`; an IPv6 address stands in brackets.
 *
 * @throws {Failure | AppcError}
 */
export function parsePortForward(value: string): ExposedPort {
  const match = /^([^:]+):(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?([^:]+)$/.exec(value);
  const [, name = "", address, port = ""] = match ?? [];
  if (match === null) {
    throw new Failure(`--port: ${JSON.stringify(value)} is not of the form NAME:[ADDRESS:]PORT`);
  }
  const hostPort = wholeNumber("--port", port);
  if (hostPort < 1 || hostPort > LAST_PORT) {
    throw new Failure(`--port: ${hostPort} is not between 1 and ${LAST_PORT}`);
  }
  const exposed = { name: parseAcName(name, "--port"), hostPort };
  return address === undefined ? exposed : { ...exposed, hostIP: parseAddress(address) };
}

function parseAddress(text: string): string {
  const address = text.replace(/^\[|\]$/g, "");
  if (!isIpAddress(address)) {
    throw new Failure(`--port: ${JSON.stringify(address)} is not an IP address`);
  }
  return address;
}
