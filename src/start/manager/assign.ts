/** Which app of a pod gets which of the descriptors that a service manager has passed. */
import type { ExposedPort } from "../../appc/pod_manifest.ts";
import type { Port } from "../../appc/port.ts";
import { Failure } from "../../failure.ts";
import { ipText, isAny, parseIp, sameIp } from "../../net/model/address.ts";
import { storedPrefix } from "../../../stage1/manager/store_descriptors.ts";
import { FIRST_PASSED, type PassedToApp } from "../../../stage1/pod.ts";
import type { PassedDescriptor } from "./passed_descriptors.ts";

/** What of an app matters here. */
export interface AppPorts {
  readonly name: string;
  readonly ports: readonly Port[];
}

/** Who gets what. */
export interface Assignment {
  /** By the apps' names. */
  readonly apps: ReadonlyMap<string, PassedToApp>;
  /** Ports of the host that nothing is forwarded from, because a descriptor is bound to them. */
  readonly served: ReadonlySet<ExposedPort>;
}

/**
 * Finds an app for each descriptor: by its name, by its port, or because there is only one app.
 *
 * @param exposed the ports of the pod: `--port`
 * @throws {Failure} a descriptor that is for no app, or might be for several
 */
export function assign(
  passed: readonly PassedDescriptor[],
  apps: readonly AppPorts[],
  exposed: readonly ExposedPort[],
): Assignment {
  const found = new Map<AppPorts, PassedDescriptor[]>();
  for (const descriptor of passed) {
    const app = appOf(descriptor, apps, exposed);
    found.set(app, [...found.get(app) ?? [], descriptor]);
  }
  return {
    apps: new Map(
      [...found].map(([app, descriptors]) => [app.name, passedTo(app, descriptors)]),
    ),
    // What an app has stored are its connections, too, which nobody is led past.
    served: servedPorts(
      passed.filter((each) => storedFor(each, apps) === undefined),
      apps,
      exposed,
    ),
  };
}

/** The app that has had the service manager store a descriptor. */
const storedFor = <A extends Pick<AppPorts, "name">>(
  { name }: PassedDescriptor,
  apps: readonly A[],
): A | undefined => apps.find((app) => name?.startsWith(storedPrefix(app.name)));

function passedTo(app: AppPorts, descriptors: readonly PassedDescriptor[]): PassedToApp {
  const { ports } = app;
  // The app gets back the name that it has given.
  const nameOf = (each: PassedDescriptor) =>
    storedFor(each, [app]) === undefined
      ? each.name
      : each.name?.slice(storedPrefix(app.name).length);
  return {
    numbers: descriptors.map(({ number }) => number),
    names: descriptors.every(({ name }) => name === undefined)
      ? undefined
      : descriptors.map((each) => nameOf(each) ?? "unknown"),
    onDemand: ports.some(({ socketActivated }) => socketActivated) &&
      descriptors.every(({ waits }) => waits),
  };
}

function appOf(
  descriptor: PassedDescriptor,
  apps: readonly AppPorts[],
  exposed: readonly ExposedPort[],
): AppPorts {
  const stored = storedFor(descriptor, apps);
  if (stored !== undefined) return stored;
  const { name } = descriptor;
  const byName = apps.filter((app) =>
    app.name === name || app.ports.some((port) => port.name === name)
  );
  const found = byName.length > 0 ? byName : byPort(descriptor, apps, exposed);
  const [app, ...others] = found.length > 0 ? found : onlyApp(descriptor, apps);
  if (app === undefined) {
    throw new Failure(`${shown(descriptor)} is for no app of the pod; ${advice(descriptor, apps)}`);
  }
  if (others.length === 0) return app;
  const names = [app, ...others].map((each) => `"${each.name}"`).join(" and ");
  throw new Failure(
    `${shown(descriptor)} may be for ${names}; name it FileDescriptorName=APP in the socket unit`,
  );
}

/** The apps that want a port of the host which the descriptor is bound to. */
function byPort(
  descriptor: PassedDescriptor,
  apps: readonly AppPorts[],
  exposed: readonly ExposedPort[],
): readonly AppPorts[] {
  return apps.filter(({ ports }) =>
    ports.some((port) => {
      const mapped = exposed.filter(({ name, podPort }) =>
        podPort === undefined && name === port.name
      );
      // A port that is mapped to another one of the host is not meant by its own number.
      return mapped.length > 0
        ? mapped.some((each) => isAt(descriptor, port, each.hostPort, each.hostIP))
        : port.socketActivated && isAt(descriptor, port, port.port);
    })
  );
}

function isAt(
  { kind, address }: PassedDescriptor,
  { protocol, count }: Pick<Port, "protocol" | "count">,
  first: number,
  hostIp?: string,
): boolean {
  if (address === undefined || kind !== protocol) return false;
  if (address.port < first || address.port >= first + count) return false;
  const ip = hostIp === undefined ? undefined : parseIp(hostIp);
  return ip === undefined || isAny(ip) || isAny(address.ip) || sameIp(ip, address.ip);
}

/** The only app gets what nothing else is known of; where it names ports, a socket of another port is a mistake. */
function onlyApp({ address }: PassedDescriptor, apps: readonly AppPorts[]): readonly AppPorts[] {
  const [app, ...others] = apps;
  if (app === undefined || others.length > 0) return [];
  const named = app.ports.some(({ socketActivated }) => socketActivated);
  return named && address !== undefined ? [] : [app];
}

/** The ports of the host that descriptors are bound to: a forward would lead what comes there past them. */
function servedPorts(
  passed: readonly PassedDescriptor[],
  apps: readonly AppPorts[],
  exposed: readonly ExposedPort[],
): ReadonlySet<ExposedPort> {
  const served = exposed.filter((each) => {
    const port = each.podPort ??
      apps.flatMap(({ ports }) => ports).find(({ name }) => name === each.name);
    if (port === undefined) return false;
    const bound = Array.from({ length: port.count }, (_, i) => each.hostPort + i).filter((number) =>
      passed.some((descriptor) =>
        isAt(descriptor, { protocol: port.protocol, count: 1 }, number, each.hostIP)
      )
    );
    if (bound.length > 0 && bound.length < port.count) {
      throw new Failure(
        `--port=${each.name}:${each.hostPort} is of ${port.count} ports, and the service manager has passed sockets for ${bound.length} of them`,
      );
    }
    return bound.length > 0;
  });
  return new Set(served);
}

/** A descriptor in words: `descriptor 3 ("web.socket", tcp [::]:80)`. */
function shown({ number, name, kind, address }: PassedDescriptor): string {
  const text = address === undefined ? "" : ipText(address.ip);
  const at = address === undefined
    ? ""
    : ` ${text.includes(":") ? `[${text}]` : text}:${address.port}`;
  const named = name === undefined ? "" : `"${name}", `;
  return `descriptor ${FIRST_PASSED + number} (${named}${kind}${at})`;
}

function advice({ address }: PassedDescriptor, apps: readonly AppPorts[]): string {
  const names = apps.map(({ name }) => name);
  const port = address === undefined
    ? ""
    : `no app has a socket-activated port ${address.port}, by itself or by --port, and `;
  return `${port}no app or port has its name; set FileDescriptorName= in the socket unit to an app's: ${
    names.join(", ") || "there is none"
  }`;
}
