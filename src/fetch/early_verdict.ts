/**
 * The verdict before the bytes: an image whose signature is not verified yet may unpack to so many times what has come of it,
 * and no more. Then the rest is taken in as it comes, the signature is verified, and only then it goes on. A few bytes
 * with somebody else's signature fill no disk; real images, which are half of their size or a tenth, are unpacked while
 * they come.
 */
import { readManifestText } from "../aci/aci_reader.ts";
import { releaseChunk } from "../aci/bytes/release_chunk.ts";
import { type ByteSource, fileSource } from "../aci/bytes/source.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import { spareSpace } from "../store/full_disk.ts";
import { TempDirectory } from "../store/temp_directory.ts";

/** Bytes that every image may unpack to before the verdict. */
const FREE = 64 << 20;

/** Times as many as have come. gzip makes a program half as large, and a text a tenth. */
const RATIO = 16;

/** Says yes or no to an image, all bytes of which have passed by. */
export interface Judge {
  /** Whether it can say so without knowing the image's manifest. */
  readonly knowsName: boolean;
  /** @throws {Failure} to refuse the image */
  verify(manifest: ImageManifest | undefined): Promise<unknown>;
}

/** A source that is unpacked no further than its verdict allows. */
export class EarlyVerdict implements ByteSource {
  readonly name: string;
  readonly #inner: ByteSource;
  readonly #judge: Judge;
  readonly #dataDir: string;
  #spool: Spool | undefined;
  #received = 0;
  #unpacked = 0;
  #decided = false;
  /** What was given out last. */
  #copy: Uint8Array | undefined;
  /** The rest, from the disk. */
  #rest: ByteSource | undefined;

  /** @param inner the bytes as they come, which stay the caller's; the judge has seen what was read of them */
  constructor(inner: ByteSource, judge: Judge, dataDir: string) {
    this.name = inner.name;
    this.#inner = inner;
    this.#judge = judge;
    this.#dataDir = dataDir;
  }

  async read(): Promise<Uint8Array | undefined> {
    // Nobody holds it any more; left to the collector, copies would pile up.
    releaseChunk(this.#copy);
    this.#copy = undefined;
    if (this.#rest !== undefined) return await this.#rest.read();
    const chunk = await this.#inner.read();
    this.#received += chunk?.length ?? 0;
    // Without the manifest the judge does not know whose signature counts, and it may be the last that comes.
    if (!this.#judge.knowsName && chunk !== undefined) this.#spooled().write(chunk);
    // Who unpacks it still holds it while #decide() reads on, and the source uses its buffer again.
    return this.#copy = chunk?.slice();
  }

  /** Stands between the unpacked bytes and who writes them. */
  between(plain: ByteSource): ByteSource {
    return {
      name: plain.name,
      read: async () => {
        const chunk = await plain.read();
        this.#unpacked += chunk?.length ?? 0;
        const mayHave = FREE + RATIO * this.#received;
        if (!this.#decided && this.#unpacked > mayHave) return await this.#decide(chunk);
        return chunk;
      },
      [Symbol.dispose]: () => plain[Symbol.dispose](),
    };
  }

  #spooled(): Spool {
    return this.#spool ??= new Spool(this.#dataDir);
  }

  /** Takes the rest in, and verifies. @param chunk what was unpacked, whose buffer stays as it is meanwhile */
  async #decide(chunk: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    const spool = this.#spooled();
    const behind = spool.size;
    for (let next = await this.#inner.read(); next !== undefined; next = await this.#inner.read()) {
      spool.write(next);
    }
    spool.close();
    const manifest = this.#judge.knowsName
      ? undefined
      : parseImageManifest(await readManifestText(fileSource(spool.path)));
    await this.#judge.verify(manifest);
    this.#decided = true;
    this.#rest = spool.from(behind);
    return chunk;
  }

  /** Whose the bytes are, disposes of them. */
  [Symbol.dispose](): void {
    this.#rest?.[Symbol.dispose]();
    this.#spool?.[Symbol.dispose]();
    this.#spool = undefined;
  }
}

/** Bytes on the disk until they are read again. */
class Spool implements Disposable {
  readonly #directory: TempDirectory;
  readonly path: string;
  readonly #spare: (written: number) => void;
  #file: Deno.FsFile | undefined;
  size = 0;

  constructor(dataDir: string) {
    this.#directory = TempDirectory.create(dataDir);
    this.path = `${this.#directory.path}/image`;
    this.#spare = spareSpace(dataDir);
    this.#file = Deno.openSync(this.path, { write: true, createNew: true, mode: 0o600 });
  }

  /** @throws {Deno.errors} of a full disk */
  write(chunk: Uint8Array): void {
    this.#spare(chunk.length);
    for (let at = 0; at < chunk.length;) at += this.#file?.writeSync(chunk.subarray(at)) ?? 0;
    this.size += chunk.length;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** What lies behind an offset. */
  from(offset: number): ByteSource {
    const file = Deno.openSync(this.path);
    file.seekSync(offset, Deno.SeekMode.Start);
    const buffer = new Uint8Array(1 << 18);
    let isOpen = true;
    return {
      name: this.path,
      read: () => {
        const n = file.readSync(buffer);
        return Promise.resolve(n ? buffer.subarray(0, n) : undefined);
      },
      [Symbol.dispose]: () => {
        if (isOpen) file.close();
        isOpen = false;
      },
    };
  }

  [Symbol.dispose](): void {
    this.close();
    this.#directory[Symbol.dispose]();
  }
}
