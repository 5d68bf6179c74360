/** The other end of a connection, for tests: it takes what a client sends, and answers what a test wants. */

/** Listens at a socket in a directory of its own. */
export class Peer implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;
  readonly #listener: Deno.UnixListener;
  readonly #conversations: Promise<void>[] = [];

  private constructor(converse: (socket: Deno.UnixConn) => Promise<void>) {
    this.#directory = Deno.makeTempDirSync({ prefix: "rkt-dbus-" });
    this.path = `${this.#directory}/socket`;
    this.#listener = Deno.listen({ transport: "unix", path: this.path });
    this.#conversations.push(this.#accept(converse));
  }

  /** One that says each of some texts or bytes as soon as the client has said something more. */
  static saying(...words: readonly (string | Uint8Array)[]): Peer {
    return new Peer(async (socket) => {
      for (const word of words) {
        if (await socket.read(new Uint8Array(4096)) === null) return;
        await socket.write(typeof word === "string" ? new TextEncoder().encode(word) : word);
      }
      while (await socket.read(new Uint8Array(4096)) !== null);
    });
  }

  async #accept(converse: (socket: Deno.UnixConn) => Promise<void>): Promise<void> {
    try {
      using socket = await this.#listener.accept();
      await converse(socket);
    } catch {
      // The client has gone, or nobody came.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#conversations);
    Deno.removeSync(this.#directory, { recursive: true });
  }
}
