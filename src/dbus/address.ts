/** Where busses and service managers listen. */
import { originalVariable } from "../linux/environment.ts";

/** A socket, and what speaks on it. */
export interface Address {
  /** Of a socket; a name without a file begins with a NUL (unix(7), "abstract"). */
  readonly path: string;
  /** Whether a bus is there, which wants a greeting and passes messages on; else the service manager itself. */
  readonly isBus: boolean;
}

/**
 * The sockets in an address of D-Bus (D-Bus Specification, "Server Addresses"), as in DBUS_SESSION_BUS_ADDRESS: those of
 * unix(7), in their order; others are left out.
 */
export function parseAddresses(text: string): readonly Address[] {
  return text.split(";").flatMap((address) => {
    const [transport, rest = ""] = address.split(/:(.*)/s, 2);
    if (transport !== "unix") return [];
    const values = new Map(
      rest.split(",").map((pair) => {
        const [key = "", value = ""] = pair.split(/=(.*)/s, 2);
        return [key, unescaped(value)] as const;
      }),
    );
    const [path, abstract] = [values.get("path"), values.get("abstract")];
    if (path?.startsWith("/") === true) return [{ path, isBus: true }];
    if (abstract !== undefined && abstract !== "") return [{ path: `\0${abstract}`, isBus: true }];
    return [];
  });
}

/** `%2f` is a slash; what is no escape stays. */
function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Where the host's service manager listens: at a socket for root, and at the bus for all. */
export function systemAddresses(): readonly Address[] {
  const bus = originalVariable("DBUS_SYSTEM_BUS_ADDRESS");
  return [
    { path: "/run/systemd/private", isBus: false },
    ...bus === undefined ? [] : parseAddresses(bus),
    { path: "/run/dbus/system_bus_socket", isBus: true },
  ];
}

/** Where the service manager of a user listens: by what the environment says, and where it is where that says nothing. */
export function userAddresses(uid: number): readonly Address[] {
  const said = originalVariable("XDG_RUNTIME_DIR");
  const directory = said?.startsWith("/") === true ? said : `/run/user/${uid}`;
  const bus = originalVariable("DBUS_SESSION_BUS_ADDRESS");
  return [
    { path: `${directory}/systemd/private`, isBus: false },
    ...bus === undefined ? [] : parseAddresses(bus),
    { path: `${directory}/bus`, isBus: true },
  ];
}
