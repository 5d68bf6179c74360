/** systemd as a service manager, the host's or a user's (org.freedesktop.systemd1(5)). */
import { Failure } from "../failure.ts";
import { type Address, systemAddresses, userAddresses } from "./address.ts";
import { Connection, ConnectionClosed, MethodError } from "./connection.ts";
import type { MethodCall } from "./message.ts";
import { type DBusValue, isVariant, type Variant, variant } from "./value.ts";

/** Whose systemd: the host's, or that of a user, by his number. */
export type ManagerOwner = "system" | number;

/** A property of a unit, by the names of D-Bus: `["MemoryMax", variant("t", 268_435_456n)]`. */
export type UnitProperty = readonly [name: string, value: Variant];

/** A scope to be. */
export interface ScopeRequest {
  /** With `.scope`. */
  readonly name: string;
  readonly description?: string;
  /** Processes that go into it, as the manager counts them. */
  readonly pids: readonly number[];
  /** With `.slice`; absent: the manager's choice. */
  readonly slice?: string;
  /** Whether what is below it is the caller's: systemd leaves it alone, and a user's becomes the user's. */
  readonly delegate: boolean;
  readonly properties?: readonly UnitProperty[];
}

const NAME = "org.freedesktop.systemd1";
const MANAGER = `${NAME}.Manager`;

/** Milliseconds for a job of systemd's; its own limit for stopping a unit is 90 s. */
const JOB_PATIENCE = 100_000;

/** What removes the unit once it has no processes, even where it failed. */
const COLLECT: UnitProperty = ["CollectMode", variant("s", "inactive-or-failed")];

/** A connection to systemd. */
export class ServiceManager implements Disposable {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Connects to systemd, at its own socket where that lets this process in, else over the bus.
   *
   * @returns undefined where none runs
   * @throws {Failure} one runs, and does not answer
   */
  static async open(
    owner: ManagerOwner,
    addresses: readonly Address[] = owner === "system" ? systemAddresses() : userAddresses(owner),
  ): Promise<ServiceManager | undefined> {
    for (const address of addresses) {
      const connection = await openAt(address);
      if (connection === undefined) continue;
      try {
        await connection.watch({ interface: MANAGER, member: "JobRemoved" }, NAME);
        const manager = new ServiceManager(connection);
        // At its own socket it tells everybody; over a bus only those who have asked.
        if (connection.isBus) await manager.#call("Subscribe");
        return manager;
      } catch (error) {
        connection[Symbol.dispose]();
        if (error instanceof MethodError && isWithoutManager(error.error)) continue;
        throw error;
      }
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  /**
   * Makes a scope of processes that are there, and waits until they are in it.
   *
   * @throws {MethodError} systemd refuses
   * @throws {Failure} its job failed, or was not done in time
   */
  async startTransientScope(request: ScopeRequest): Promise<void> {
    const { name, description, pids, slice, delegate, properties = [] } = request;
    const all: readonly UnitProperty[] = [
      ["Description", variant("s", description ?? name)],
      ...slice === undefined ? [] : [["Slice", variant("s", slice)] as const],
      ["Delegate", variant("b", delegate)],
      ["PIDs", variant("au", pids)],
      COLLECT,
      ...properties,
    ];
    await this.#job(name, "StartTransientUnit", "ssa(sv)a(sa(sv))", [name, "fail", all, []]);
  }

  /**
   * Stops a unit, and waits for its end. One that is not there has stopped.
   *
   * @throws {Failure} it did not end in time
   */
  async stopUnit(name: string): Promise<void> {
    try {
      await this.#job(name, "StopUnit", "ss", [name, "replace"]);
    } catch (error) {
      if (error instanceof MethodError && error.error === `${NAME}.NoSuchUnit`) return;
      throw error;
    }
  }

  /**
   * Changes properties of a unit until it ends: its limits.
   *
   * @throws {MethodError} systemd refuses
   */
  async setUnitProperties(name: string, properties: readonly UnitProperty[]): Promise<void> {
    await this.#call("SetUnitProperties", "sba(sv)", [name, true, properties]);
  }

  /**
   * The cgroup of a unit, below those of the manager: `/user.slice/…/rkt-1.scope`; empty where it has none.
   *
   * @param kind of the unit, as it begins its interface: `Scope`
   */
  async controlGroup(name: string, kind: "Scope" | "Slice" | "Service"): Promise<string> {
    const [path] = await this.#call("GetUnit", "s", [name]);
    if (typeof path !== "string") throw new Failure(`systemd: no path of ${name}`);
    const [value] = await this.#connection.call({
      ...this.#destination,
      path,
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      values: [`${NAME}.${kind}`, "ControlGroup"],
    });
    const group = value !== undefined && isVariant(value) ? value.value : "";
    return typeof group === "string" ? group : "";
  }

  get #destination(): Pick<MethodCall, "destination"> {
    return this.#connection.isBus ? { destination: NAME } : {};
  }

  async #call(
    member: string,
    signature = "",
    values: readonly DBusValue[] = [],
  ): Promise<readonly DBusValue[]> {
    return await this.#connection.call({
      ...this.#destination,
      path: "/org/freedesktop/systemd1",
      interface: MANAGER,
      member,
      signature,
      values,
    });
  }

  /** Calls what makes a job, and waits for it: JobRemoved has its number, path, unit, and how it ended. */
  async #job(
    unit: string,
    member: string,
    signature: string,
    values: readonly DBusValue[],
  ): Promise<void> {
    const [job] = await this.#call(member, signature, values);
    const isIt = ([, path]: readonly DBusValue[]) => path === job;
    const [, , , result] = await this.#connection.nextSignal(isIt, JOB_PATIENCE);
    if (result !== "done") throw new Failure(`systemd: ${member} of ${unit}: ${result}`);
  }
}

/** A connection, where somebody listens who lets this process in. */
async function openAt(address: Address): Promise<Connection | undefined> {
  try {
    return await Connection.open(address);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    if (error instanceof Deno.errors.ConnectionRefused) return undefined;
    if (error instanceof ConnectionClosed) return undefined;
    throw error;
  }
}

/** Whether a bus says that it has no systemd. */
const isWithoutManager = (error: string): boolean =>
  error === "org.freedesktop.DBus.Error.ServiceUnknown" ||
  error === "org.freedesktop.DBus.Error.NameHasNoOwner" ||
  error.startsWith("org.freedesktop.DBus.Error.Spawn.");
