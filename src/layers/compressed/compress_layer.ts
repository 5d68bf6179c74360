/** Writing a layer compressed, while its tar comes. */
import type { TarEntry } from "../../aci/tar/entry.ts";
import { storedSize } from "../../aci/tar/sparse.ts";
import { libzstdCompressor } from "../../linux/compression_libraries.ts";
import {
  BLOCK,
  CLUSTER,
  KIND,
  KIND_SHIFT,
  LOGICAL_CLUSTER,
  LONGEST_PIECE,
  MAGIC,
  RECORD_WORDS,
  TRAILER,
} from "./format.ts";
import { compressedWhole, type PieceSlot, pieceSlots } from "./piece_slots.ts";

/** Bytes between files that are compressed together. */
const FRAME = 1 << 18;
/** Bytes that are written at once. */
const OUTPUT = 1 << 18;
/** A file whose first piece saves less than a sixteenth is kept as it is: reading it costs nothing then. */
const LEAST_GAIN = 16;

/** Where the data of a file lie in the tar. */
interface FileData {
  readonly from: number;
  readonly size: number;
  /**
   * Whether it is kept as it is. Of others that is known with the first piece: one file is never kept in both ways, because
   * kernels do not agree on how long such a part is.
   */
  plain: boolean | undefined;
}

/** What is to be written, in the order of the tar. */
interface Job {
  /** Where the next ones may have to wait for it. */
  readonly pending?: Promise<void>;
  /** The slot that is free once it was written. */
  readonly slot?: PieceSlot;
  isReady: boolean;
  write(): void;
}

/**
 * Takes the bytes of a tar, and beforehand what its parser has found in them. Whoever has made one disposes it, whatever
 * happens: other threads may work for it.
 */
export class LayerCompressor implements AsyncDisposable {
  readonly #write: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #output = new Uint8Array(OUTPUT);
  #filled = 0;
  /** Blocks so far. */
  #blocks = 0;
  #records = new Uint32Array(1024);
  #count = 0;
  /** Files whose data have not come yet, in the order of the tar. */
  readonly #files: FileData[] = [];
  #file: FileData | undefined;
  /** Bytes of the tar so far. */
  #at = 0;
  readonly #slots: readonly PieceSlot[];
  readonly #free: PieceSlot[];
  /** What was not written yet, in its order. */
  readonly #jobs: Job[] = [];
  /** The slot that is being filled. */
  #piece: PieceSlot | undefined;
  #pieceFill = 0;
  /** Bytes of the piece that comes. */
  #pieceSize = 0;
  readonly #between = new Uint8Array(FRAME);
  #betweenFill = 0;

  /**
   * @param write takes the next bytes; they are valid during the call
   * @param slots disposed with this
   */
  constructor(
    write: (bytes: Uint8Array<ArrayBuffer>) => void,
    slots = pieceSlots(libzstdCompressor()),
  ) {
    this.#write = write;
    this.#slots = slots;
    this.#free = [...slots];
  }

  /** Announces an entry, before the bytes of its data are pushed. */
  entry(entry: TarEntry): void {
    const { kind, pieces, dataOffset } = entry;
    const size = storedSize(entry);
    if (kind !== "file" || size === 0) return;
    // The index addresses the blocks of sparse files.
    const plain = pieces !== undefined || size <= LOGICAL_CLUSTER || undefined;
    this.#files.push({ from: dataOffset, size, plain });
  }

  /** Takes the next bytes of the tar, which must stay until it is done; what entries they begin was announced. */
  async push(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      this.#file ??= this.#files.shift();
      const file = this.#file;
      const left = chunk.length - at;
      const before = file === undefined ? left : file.from - this.#at;
      const taken = file !== undefined && before <= 0
        ? this.#takeData(file, chunk.subarray(at), this.#piece ??= await this.#freeSlot())
        : this.#takeBetween(chunk.subarray(at, at + Math.min(left, before)));
      at += taken;
      this.#at += taken;
    }
  }

  /** Writes what is left, and the table. */
  async finish(): Promise<void> {
    this.#flushBetween();
    while (this.#jobs.length > 0) await this.#writeNext();
    const records = this.#records.subarray(0, this.#count * RECORD_WORDS);
    const table = compressedWhole(new Uint8Array(records.buffer, 0, records.byteLength));
    const trailer = new Uint8Array(BLOCK);
    const view = new DataView(trailer.buffer);
    trailer.set(new TextEncoder().encode(MAGIC));
    view.setBigUint64(TRAILER.tarSize, BigInt(this.#at), true);
    view.setBigUint64(TRAILER.tableAt, BigInt(this.#blocks * BLOCK), true);
    view.setBigUint64(TRAILER.tableBytes, BigInt(table.length), true);
    view.setBigUint64(TRAILER.records, BigInt(this.#count), true);
    this.#writeBlocks(table, 0);
    this.#writeBlocks(trailer, 0);
    this.#write(this.#output.subarray(0, this.#filled));
  }

  #takeBetween(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, FRAME - this.#betweenFill);
    this.#between.set(taken, this.#betweenFill);
    this.#betweenFill += taken.length;
    // The chunk may be another's by then, and have no bytes.
    const length = taken.length;
    this.#enqueue({ isReady: true, write: () => this.#record(KIND.between, length, 0) });
    if (this.#betweenFill === FRAME) this.#flushBetween();
    return length;
  }

  #flushBetween(): void {
    if (this.#betweenFill === 0) return;
    const frame = compressedWhole(this.#between.subarray(0, this.#betweenFill));
    this.#betweenFill = 0;
    const write = () => {
      this.#record(KIND.frame, frame.length, Math.ceil(frame.length / BLOCK));
      this.#writeBlocks(frame, 0);
    };
    this.#enqueue({ isReady: true, write });
  }

  #takeData(file: FileData, bytes: Uint8Array, slot: PieceSlot): number {
    if (this.#pieceFill === 0) {
      const left = file.size - (this.#at - file.from);
      this.#pieceSize = left <= LONGEST_PIECE ? left : CLUSTER;
    }
    const taken = bytes.subarray(0, this.#pieceSize - this.#pieceFill);
    slot.input.set(taken, this.#pieceFill);
    this.#pieceFill += taken.length;
    if (this.#pieceFill === this.#pieceSize) {
      this.#enqueuePiece(slot, file);
      this.#piece = undefined;
      this.#pieceFill = 0;
      if (this.#at + taken.length === file.from + file.size) this.#file = undefined;
    }
    return taken.length;
  }

  /** Also the later pieces of a file whose first one may turn out not to be worth it. */
  #enqueuePiece(slot: PieceSlot, file: FileData): void {
    const piece = slot.input.subarray(0, this.#pieceSize);
    const frame = file.plain === true ? undefined : slot.compress(piece.length);
    if (!(frame instanceof Promise)) {
      const made = frame;
      return this.#enqueue({
        slot,
        isReady: true,
        write: () => this.#writePiece(piece, made, file),
      });
    }
    let made: Uint8Array | undefined;
    const pending = frame.then((bytes) => {
      made = bytes;
      job.isReady = true;
    });
    // Who waits for it hears of its failure; nobody may.
    pending.catch(() => {});
    const job: Job = {
      slot,
      pending,
      isReady: false,
      write: () => this.#writePiece(piece, made, file),
    };
    this.#enqueue(job);
  }

  #enqueue(job: Job): void {
    this.#jobs.push(job);
    while (this.#jobs[0]?.isReady === true) this.#writeFirst();
  }

  #writeFirst(): void {
    const job = this.#jobs.shift();
    job?.write();
    if (job?.slot !== undefined) this.#free.push(job.slot);
  }

  async #writeNext(): Promise<void> {
    await this.#jobs[0]?.pending;
    this.#writeFirst();
  }

  /** A slot that may be filled: once the first of those that are full was written, where all are. */
  async #freeSlot(): Promise<PieceSlot> {
    for (;;) {
      const slot = this.#free.pop();
      if (slot !== undefined) return slot;
      if (this.#jobs.length === 0) throw new TypeError("a layer is pushed from two places at once");
      await this.#writeNext();
    }
  }

  #writePiece(
    piece: Uint8Array<ArrayBuffer>,
    frame: Uint8Array | undefined,
    file: FileData,
  ): void {
    const blocks = Math.ceil((frame?.length ?? 0) / BLOCK);
    file.plain ??= blocks * BLOCK > piece.length - piece.length / LEAST_GAIN;
    if (frame !== undefined && !file.plain) {
      this.#record(KIND.zstd, piece.length, blocks);
      this.#writeBlocks(frame, blocks * BLOCK - frame.length);
    } else {
      this.#record(KIND.plain, piece.length, Math.ceil(piece.length / BLOCK));
      this.#writeBlocks(piece, 0);
    }
  }

  #record(kind: number, bytes: number, blocks: number): void {
    const last = (this.#count - 1) * RECORD_WORDS;
    const isBetween = kind === KIND.between && last >= 0 &&
      this.#records[last + 1] === KIND.between << KIND_SHIFT;
    if (isBetween && (this.#records[last] ?? 0) + bytes < 2 ** 32) {
      this.#records[last] = (this.#records[last] ?? 0) + bytes;
      return;
    }
    const at = this.#count++ * RECORD_WORDS;
    if (at >= this.#records.length) {
      const longer = new Uint32Array(2 * this.#records.length);
      longer.set(this.#records);
      this.#records = longer;
    }
    this.#records[at] = bytes;
    this.#records[at + 1] = (kind << KIND_SHIFT | blocks) >>> 0;
  }

  /** Writes bytes in whole blocks, behind so many zeros. */
  #writeBlocks(bytes: Uint8Array, zeros: number): void {
    const blocks = Math.ceil((zeros + bytes.length) / BLOCK);
    this.#blocks += blocks;
    this.#put(ZEROS.subarray(0, zeros));
    for (let at = 0; at < bytes.length; at += OUTPUT) this.#put(bytes.subarray(at, at + OUTPUT));
    this.#put(ZEROS.subarray(0, blocks * BLOCK - zeros - bytes.length));
  }

  #put(bytes: Uint8Array): void {
    if (this.#filled + bytes.length > OUTPUT) {
      this.#write(this.#output.subarray(0, this.#filled));
      this.#filled = 0;
    }
    this.#output.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#jobs.map(({ pending }) => pending));
    for (const slot of this.#slots) slot[Symbol.dispose]();
  }
}

const ZEROS = new Uint8Array(BLOCK);
