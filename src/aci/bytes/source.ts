/**
 * Where bytes come from: files, network streams, decompressors. Pulled a chunk at a time, so that an
 * image of any size passes through in bounded memory.
 */
import { Failure } from "../../failure.ts";

/** A pull-based source of bytes. Whoever reads it to the end disposes it; doing so twice does no harm. */
export interface ByteSource extends Disposable {
  /** What the bytes are, for messages: a path or a URL. */
  readonly name: string;
  /**
   * The next bytes; undefined at the end. A chunk is never empty and is valid only until the next
   * `read()`, because sources reuse their buffers.
   *
   * @throws {Failure}
   */
  read(): Promise<Uint8Array | undefined>;
  /** For a source that may be compressed: stands between the uncompressed bytes and who reads them. */
  between?(plain: ByteSource): ByteSource;
}

/** Bytes read at once from a file: beyond 256 KiB nothing gets faster, below 64 KiB hashing does slow down. */
export const CHUNK_SIZE = 1 << 18;

/**
 * Opens a regular file (or a pipe, or /dev/stdin) as a source.
 *
 * @throws {Failure} when it cannot be opened, or is a directory
 */
export function fileSource(path: string): ByteSource {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    throw new Failure(`${path}: ${fileProblem(error)}`, undefined, { cause: error });
  }
  if (file.statSync().isDirectory) {
    file.close();
    throw new Failure(`${path}: is a directory, not an image file`);
  }
  const buffer = new Uint8Array(CHUNK_SIZE);
  let isOpen = true;
  return {
    name: path,
    read() {
      try {
        const n = file.readSync(buffer);
        return Promise.resolve(n ? buffer.subarray(0, n) : undefined);
      } catch (error) {
        return Promise.reject(new Failure(`${path}: ${fileProblem(error)}`, 254, { cause: error }));
      }
    },
    [Symbol.dispose]() {
      if (isOpen) file.close();
      isOpen = false;
    },
  };
}

function fileProblem(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "may not be read: permission denied";
  return error instanceof Error ? error.message : String(error);
}

/** A web stream (the body of a response) as a source. Errors of the stream pass through unchanged. */
export function streamSource(name: string, stream: ReadableStream<Uint8Array>): ByteSource {
  const reader = stream.getReader();
  return {
    name,
    async read() {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return undefined;
        if (value.length > 0) return value;
      }
    },
    [Symbol.dispose]: () => void reader.cancel().catch(() => {}),
  };
}

/** Bytes in memory as a source, `chunkSize` at a time. */
export function bytesSource(name: string, bytes: Uint8Array, chunkSize = CHUNK_SIZE): ByteSource {
  let at = 0;
  return {
    name,
    read() {
      if (at >= bytes.length) return Promise.resolve(undefined);
      const chunk = bytes.subarray(at, at + chunkSize);
      at += chunk.length;
      return Promise.resolve(chunk);
    },
    [Symbol.dispose]: () => {},
  };
}

/** The first bytes of a source: at least as many as wanted, unless it ends before. */
export async function firstBytes(source: ByteSource, wanted: number): Promise<Uint8Array> {
  let head = new Uint8Array(0);
  while (head.length < wanted) {
    const chunk = await source.read();
    if (chunk === undefined) break;
    const longer = new Uint8Array(head.length + chunk.length);
    longer.set(head);
    longer.set(chunk, head.length);
    head = longer;
  }
  return head;
}

/**
 * A source put back together after its beginning was looked at.
 *
 * @param head what was read already; copied by the caller if it lay in a reused buffer
 */
export function prependedSource(head: Uint8Array, rest: ByteSource): ByteSource {
  let pending: Uint8Array | undefined = head.length > 0 ? head : undefined;
  return {
    name: rest.name,
    read() {
      if (pending === undefined) return rest.read();
      const chunk = pending;
      pending = undefined;
      return Promise.resolve(chunk);
    },
    [Symbol.dispose]: () => rest[Symbol.dispose](),
  };
}
