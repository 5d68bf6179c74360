/**
 * A connection to a bus, or to a service manager by itself. It asks one thing after the other. Whoever is at the other end is
 * not waited for for ever, and can't make it keep more than a little.
 */
import { Failure } from "../failure.ts";
import { type Bytes, concat } from "../linux/bytes.ts";
import { printableLine } from "../linux/printable.ts";
import type { Address } from "./address.ts";
import {
  decodeMessage,
  encodeCall,
  ERROR,
  type Message,
  messageLength,
  METHOD_RETURN,
  type MethodCall,
  PREFIX,
  SIGNAL,
  valuesOf,
} from "./message.ts";
import { malformed } from "./unmarshal.ts";
import type { DBusValue } from "./value.ts";

/** Milliseconds until an answer is there, as in other clients. */
const PATIENCE = 25_000;

/** The longest line of the authentication, in bytes (D-Bus Specification: 16 KiB). */
const LONGEST_LINE = 16 << 10;

/** How many signals are kept for whoever asks for them later. */
const MOST_KEPT = 1000;

/** A method has ended with an error. */
export class MethodError extends Failure {
  /** @param error its name: `org.freedesktop.systemd1.UnitExists` */
  constructor(readonly error: string, message: string) {
    super(message);
  }
}

/** The other end has closed the connection: while it is being opened that means that it does not let this process in. */
export class ConnectionClosed extends Failure {
  constructor() {
    super("D-Bus: the other end has closed the connection");
  }
}

/** A signal that is kept until somebody asks for it. */
export interface SignalName {
  readonly interface: string;
  readonly member: string;
}

/** A connection that has been authenticated. */
export class Connection implements Disposable {
  readonly #socket: Deno.UnixConn;
  readonly #patience: number;
  #received: Bytes = new Uint8Array();
  #serial = 0;
  #watched: readonly SignalName[] = [];
  readonly #signals: Message[] = [];
  readonly isBus: boolean;

  private constructor(socket: Deno.UnixConn, isBus: boolean, patience: number) {
    this.#socket = socket;
    this.isBus = isBus;
    this.#patience = patience;
  }

  /**
   * Connects, authenticates as the user whose process this is, and greets the bus.
   *
   * @param patience milliseconds until an answer is there
   * @throws {Deno.errors.NotFound} nobody listens there; other errors of Deno's where that can't be reached
   * @throws {Failure} it answers what is no D-Bus, or not in time
   */
  static async open({ path, isBus }: Address, patience: number = PATIENCE): Promise<Connection> {
    const socket = await Deno.connect({ transport: "unix", path });
    const connection = new Connection(socket, isBus, patience);
    try {
      await connection.#authenticate();
      if (isBus) await connection.call({ ...BUS, member: "Hello" });
      return connection;
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#socket.close();
    } catch {
      // It was closed when it was late.
    }
  }

  /**
   * Calls a method, and waits for its answer.
   *
   * @returns its values
   * @throws {MethodError} what the method says
   * @throws {Failure} no answer in time, or a malformed one
   */
  async call(call: MethodCall): Promise<readonly DBusValue[]> {
    const serial = ++this.#serial;
    await this.#late(this.#write(encodeCall(serial, call)));
    const answer = await this.#late(this.#find((message) => message.replySerial === serial));
    if (answer.type === METHOD_RETURN) return valuesOf(answer);
    const [text] = valuesOf(answer);
    const error = printableLine(answer.fields.error ?? "an error without a name");
    throw new MethodError(error, typeof text === "string" ? printableLine(text) : error);
  }

  /** Keeps signals of a name from now on, for {@linkcode nextSignal}. A bus is asked for them. */
  async watch(name: SignalName, sender: string): Promise<void> {
    this.#watched = [...this.#watched, name];
    if (!this.isBus) return;
    const rule =
      `type='signal',sender='${sender}',interface='${name.interface}',member='${name.member}'`;
    await this.call({ ...BUS, member: "AddMatch", signature: "s", values: [rule] });
  }

  /**
   * Waits for a signal that was {@linkcode watch}ed and fulfils a condition; others of its name that came before are forgotten.
   *
   * @param milliseconds how long, at most
   * @returns its values
   * @throws {Failure} it does not come in time
   */
  async nextSignal(
    isWanted: (values: readonly DBusValue[]) => boolean,
    milliseconds: number,
  ): Promise<readonly DBusValue[]> {
    const wanted = async () => {
      while (true) {
        const message = this.#signals.shift() ?? await this.#find(({ type }) => type === SIGNAL);
        if (!this.#isWatched(message)) continue;
        const values = valuesOf(message);
        if (isWanted(values)) return values;
      }
    };
    return await this.#late(wanted(), milliseconds);
  }

  #isWatched({ fields }: Message): boolean {
    return this.#watched.some((name) =>
      name.interface === fields.interface && name.member === fields.member
    );
  }

  /** Reads messages until one is wanted. */
  async #find(isWanted: (message: Message) => boolean): Promise<Message> {
    while (true) {
      const message = await this.#message();
      const isAnswer = message.type === METHOD_RETURN || message.type === ERROR;
      if ((isAnswer || message.type === SIGNAL) && isWanted(message)) return message;
      if (message.type === SIGNAL && this.#isWatched(message)) this.#signals.push(message);
      if (this.#signals.length > MOST_KEPT) this.#signals.shift();
    }
  }

  /**
   * SASL's mechanism EXTERNAL, by which the kernel says who this is. No name is sent: in a user namespace the other end has
   * another number for this user.
   *
   * All is said at once, as systemd's own clients do: where the last word and the first message came together, systemd would not
   * look at the message before something else comes.
   */
  async #authenticate(): Promise<void> {
    const words = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
    await this.#late(this.#write(new TextEncoder().encode(words)));
    let line = await this.#late(this.#line());
    if (/^DATA *$/.test(line)) line = await this.#late(this.#line());
    if (!/^OK( |$)/.test(line)) {
      throw new Failure(`D-Bus: the other end does not let this user in: ${printableLine(line)}`);
    }
  }

  async #line(): Promise<string> {
    while (true) {
      const end = this.#received.indexOf(0x0a);
      if (end >= 0) {
        const line = this.#received.subarray(0, end);
        this.#received = this.#received.slice(end + 1);
        return new TextDecoder().decode(line).trimEnd();
      }
      if (this.#received.length > LONGEST_LINE) throw malformed("a line without an end");
      await this.#read();
    }
  }

  async #message(): Promise<Message> {
    while (this.#received.length < PREFIX) await this.#read();
    const length = messageLength(this.#received);
    const parts: Uint8Array[] = [this.#received];
    for (let have = this.#received.length; have < length;) {
      const more = await this.#chunk();
      parts.push(more);
      have += more.length;
    }
    const all = parts.length === 1 ? this.#received : concat(...parts);
    this.#received = all.slice(length);
    return decodeMessage(all.subarray(0, length));
  }

  async #read(): Promise<void> {
    this.#received = concat(this.#received, await this.#chunk());
  }

  async #chunk(): Promise<Uint8Array> {
    const buffer = new Uint8Array(16 << 10);
    const count = await this.#socket.read(buffer);
    if (count === null) throw new ConnectionClosed();
    return buffer.subarray(0, count);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
  }

  /** Waits for what may come too late; then the connection is closed, because nobody knows what it would bring next. */
  async #late<T>(coming: Promise<T>, milliseconds: number = this.#patience): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new Failure(`D-Bus: no answer within ${milliseconds / 1000} s`));
      this[Symbol.dispose]();
    }, milliseconds);
    try {
      return await Promise.race([coming, promise]);
    } catch (error) {
      const isClosed = error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset;
      throw isClosed ? new ConnectionClosed() : error;
    } finally {
      clearTimeout(timer);
      // Closing makes it fail, which the failure above has said.
      coming.catch(() => {});
    }
  }
}

/** The bus itself. */
const BUS = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;
