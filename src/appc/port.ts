import { AppcError, shown } from "./error.ts";
import { array, boolean, field, integer, object, string, unique } from "./json_value.ts";
import { type AcName, parseAcName } from "./name.ts";

/** The largest port number of TCP and UDP. */
export const LAST_PORT = 65535;

/** A port, or range of ports, that an app listens on. */
export interface Port {
  readonly name: AcName;
  /** `tcp`, `udp` or another protocol's name in lower case. */
  readonly protocol: string;
  /** The first port of the range, 1 to 65535. */
  readonly port: number;
  /** How many ports the range has, at least 1. What actool writes for one is 0. */
  readonly count: number;
  /** Whether the app takes the listening socket from its environment (sd_listen_fds(3)). */
  readonly socketActivated: boolean;
}

/**
 * Reads an app's ports, names unique.
 *
 * @throws {AppcError}
 */
export function parsePorts(value: unknown, at: string): readonly Port[] {
  return unique(array(value, at, parsePort), at, (port) => port.name);
}

/**
 * Reads one port.
 *
 * @throws {AppcError}
 */
export function parsePort(value: unknown, at: string): Port {
  const fields = object(value, at);
  const name = parseAcName(fields.name, field(at, "name"));
  const protocol = string(fields.protocol, field(at, "protocol")).toLowerCase();
  if (!/^[a-z][a-z0-9-]*$/.test(protocol)) {
    throw new AppcError(field(at, "protocol"), `${shown(protocol)} is not a protocol like tcp`);
  }
  const port = integer(fields.port, field(at, "port"), 1, LAST_PORT);
  const count = integer(fields.count ?? 1, field(at, "count"), 0, LAST_PORT) || 1;
  if (port + count - 1 > LAST_PORT) {
    throw new AppcError(
      field(at, "count"),
      `${count} ports from ${port} on end after ${LAST_PORT}`,
    );
  }
  const socketActivated = boolean(fields.socketActivated, field(at, "socketActivated"), false);
  return { name, protocol, port, count, socketActivated };
}
