/** Converts the ports of a pod manifest to forwards. */
import type { ExposedPort, RuntimeApp } from "../../appc/pod_manifest.ts";
import { LAST_PORT, type Port } from "../../appc/port.ts";
import { Failure } from "../../failure.ts";
import { isAny, parseIp, sameIp } from "../model/address.ts";
import { flagText, type Forward, PROTOCOLS } from "../model/forward.ts";

/** The fields of a pod manifest that matter here. */
interface Ports {
  readonly apps: readonly Pick<RuntimeApp, "app">[];
  readonly ports: readonly ExposedPort[];
}

/**
 * The forwards of a pod: its `ports`, with protocol, number and count from the ports of the apps.
 *
 * @throws {Failure} a name that no app has, or several have; a protocol that can't be forwarded; a port wanted twice
 */
export function podForwards(manifest: Ports): readonly Forward[] {
  const forwards = manifest.ports.map((exposed) => podForward(exposed, manifest));
  for (const [i, forward] of forwards.entries()) {
    const other = forwards.slice(0, i).find((each) => overlap(each, forward));
    if (other === undefined) continue;
    throw new Failure(`${flagText(forward)}: ${flagText(other)} has ports of it already`);
  }
  return forwards;
}

function podForward(exposed: ExposedPort, manifest: Ports): Forward {
  const { name, hostPort } = exposed;
  const flag = `--port=${name}:${hostPort}`;
  const { protocol, port, count } = exposed.podPort ?? podPort(flag, exposed, manifest);
  if (!isForwarded(protocol)) {
    const known = Object.keys(PROTOCOLS).join(" and ");
    throw new Failure(`${flag}: ports of ${protocol} can't be forwarded; those of ${known} can`);
  }
  if (hostPort + count - 1 > LAST_PORT) {
    throw new Failure(
      `${flag}: the ${count} ports of "${name}" don't fit in between ${hostPort} and ${LAST_PORT}`,
    );
  }
  const hostIp = exposed.hostIP === undefined ? undefined : parseIp(exposed.hostIP);
  if (exposed.hostIP !== undefined && hostIp === undefined) {
    throw new Failure(`${flag}: ${JSON.stringify(exposed.hostIP)} is not an IP address`);
  }
  const forward: Forward = { name, protocol, hostPort, podPort: port, count };
  return hostIp === undefined ? forward : { ...forward, hostIp };
}

const isForwarded = (protocol: string): protocol is Forward["protocol"] =>
  Object.hasOwn(PROTOCOLS, protocol);

/** The port of an app that has the name. */
function podPort(flag: string, { name }: ExposedPort, { apps }: Ports): Port {
  const ports = apps.flatMap(({ app }) => app?.ports ?? []);
  const [port, ...others] = ports.filter((port) => port.name === name);
  if (port === undefined) {
    const names = [...new Set(ports.map((port) => `"${port.name}"`))].join(", ");
    throw new Failure(
      `${flag}: no app of the pod has a port "${name}"; ${
        names === "" ? "there are none" : `there are: ${names}`
      }`,
    );
  }
  if (others.length > 0) {
    throw new Failure(`${flag}: ${others.length + 1} apps of the pod have a port "${name}"`);
  }
  return port;
}

/** Whether two forwards want the same port of the same address. */
function overlap(a: Forward, b: Forward): boolean {
  if (a.protocol !== b.protocol) return false;
  if (a.hostPort >= b.hostPort + b.count || b.hostPort >= a.hostPort + a.count) return false;
  if (a.hostIp === undefined || b.hostIp === undefined) return true;
  return a.hostIp.length === b.hostIp.length &&
    (isAny(a.hostIp) || isAny(b.hostIp) || sameIp(a.hostIp, b.hostIp));
}
