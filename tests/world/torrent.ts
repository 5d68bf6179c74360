/** A torrent of one file (BEP 3), a tracker that tells of the seeds, and seeds by aria2c. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { until } from "./until.ts";

type Bencode =
  | number
  | string
  | Uint8Array
  | readonly Bencode[]
  | Readonly<{ [key: string]: Bencode }>;

function bencode(value: Bencode): Buffer {
  if (typeof value === "number") return Buffer.from(`i${value}e`);
  if (typeof value === "string" || value instanceof Uint8Array) {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes]);
  }
  if (Array.isArray(value)) {
    return Buffer.concat([Buffer.from("l"), ...value.map(bencode), Buffer.from("e")]);
  }
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Buffer.concat([Buffer.from("d"), ...entries.flat().map(bencode), Buffer.from("e")]);
}

const PIECE = 256 * 1024;

/** Some peers that have a file. */
export class Swarm implements AsyncDisposable {
  readonly #peers: Deno.ChildProcess[] = [];
  readonly #tracker: Deno.HttpServer<Deno.NetAddr>;
  readonly #ports: number[];
  readonly #torrent: string;
  readonly magnet: string;

  /**
   * @param dir an empty directory
   * @param file the file; its copies are the seeds'
   * @param seeds how many
   */
  constructor(readonly dir: string, file: string, seeds: number) {
    this.#ports = Array.from({ length: seeds }, (_, i) => 26_881 + i);
    const content = Deno.readFileSync(file);
    const name = file.slice(file.lastIndexOf("/") + 1);
    const pieces = Array.from(
      { length: Math.ceil(content.length / PIECE) },
      (_, i) => createHash("sha1").update(content.subarray(i * PIECE, (i + 1) * PIECE)).digest(),
    );
    const info = {
      length: content.length,
      name,
      "piece length": PIECE,
      pieces: Buffer.concat(pieces),
    };
    const hash = createHash("sha1").update(bencode(info)).digest("hex");
    const peers = this.#ports.map((port) => ({ ip: "127.0.0.1", port, "peer id": "x".repeat(20) }));
    this.#tracker = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response(Uint8Array.from(bencode({ interval: 60, peers }))),
    );
    const announce = `http://127.0.0.1:${this.#tracker.addr.port}/announce`;
    this.magnet = `magnet:?xt=urn:btih:${hash}&dn=${name}&tr=${encodeURIComponent(announce)}`;
    this.#torrent = `${dir}/it.torrent`;
    Deno.writeFileSync(this.#torrent, bencode({ announce, info }));
    for (const [i, port] of this.#ports.entries()) {
      const own = `${dir}/seed${i}`;
      Deno.mkdirSync(own);
      Deno.copyFileSync(file, `${own}/${name}`);
      this.#peers.push(this.#seed(own, port));
    }
  }

  #seed(directory: string, port: number): Deno.ChildProcess {
    const args = [
      ...["--no-conf=true", `--dir=${directory}`, "--check-integrity=true", "--seed-ratio=0.0"],
      ...[`--listen-port=${port}`, "--enable-dht=false", "--enable-dht6=false", "--quiet=true"],
      ...["--bt-hash-check-seed=true", "--disable-ipv6=true", this.#torrent],
    ];
    return new Deno.Command("aria2c", { args, stdout: "null", stderr: "null" }).spawn();
  }

  /** Waits until all seeds can be reached. */
  async ready(): Promise<void> {
    for (const port of this.#ports) {
      await until(
        async () => {
          try {
            (await Deno.connect({ hostname: "127.0.0.1", port })).close();
            return true;
          } catch {
            return false;
          }
        },
        60,
        `a seed at port ${port}`,
      );
    }
    assert.equal(this.#peers.length, this.#ports.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) {
      peer.kill("SIGKILL");
      await peer.status;
    }
    await this.#tracker.shutdown();
  }
}
