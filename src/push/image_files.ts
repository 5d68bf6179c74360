/** Files of an image on a disk: in a directory, or in one archive. */
import { CHUNK_SIZE } from "../aci/bytes/source.ts";
import { ARCHIVE_END, tarHeader } from "../aci/tar/tar_writer.ts";
import { padding } from "../aci/tar/tar_field.ts";
import { Failure } from "../failure.ts";
import type { Digest } from "../oci/digest.ts";
import { DigestHasher } from "../oci/hash.ts";

/** Takes an image's files, one after the other. */
export interface ImageFiles extends Disposable {
  /**
   * Adds a file.
   *
   * @param size its bytes
   * @param digest what they have to have
   * @throws {Failure} where they are others
   */
  add(
    path: string,
    content: Uint8Array<ArrayBuffer> | Iterable<Uint8Array<ArrayBuffer>>,
    size: number,
    digest?: Digest,
  ): void;
  /** There are no more. */
  finish(): void;
}

/** A new directory for the files. */
export function directoryFiles(directory: string): ImageFiles {
  Deno.mkdirSync(directory, { mode: 0o755 });
  Deno.chmodSync(directory, 0o755);
  return {
    add(path, content, size, digest) {
      const whole = `${directory}/${path}`;
      Deno.mkdirSync(whole.slice(0, whole.lastIndexOf("/")), { recursive: true, mode: 0o755 });
      using file = Deno.openSync(whole, { write: true, createNew: true, mode: 0o644 });
      write(file, path, content, size, digest);
    },
    finish: () => {},
    [Symbol.dispose]: () => {},
  };
}

/** A new tar with the files. The same files make the same bytes. */
export function archiveFiles(path: string): ImageFiles {
  const file = Deno.openSync(path, { write: true, createNew: true, mode: 0o644 });
  Deno.chmodSync(path, 0o644);
  return {
    add(path, content, size, digest) {
      writeAll(file, fileHeader(path, size));
      write(file, path, content, size, digest);
      writeAll(file, new Uint8Array(padding(size)));
    },
    finish: () => writeAll(file, ARCHIVE_END),
    [Symbol.dispose]: () => file.close(),
  };
}

function fileHeader(path: string, size: number): Uint8Array {
  const fields = { kind: "file", path, link: "", mode: 0o644, uid: 0, gid: 0, size } as const;
  return tarHeader({ ...fields, mtime: 0, major: 0, minor: 0, xattrs: new Map() });
}

function write(
  file: Deno.FsFile,
  path: string,
  content: Uint8Array<ArrayBuffer> | Iterable<Uint8Array<ArrayBuffer>>,
  size: number,
  digest: Digest | undefined,
): void {
  const hasher = new DigestHasher();
  let written = 0;
  for (const chunk of content instanceof Uint8Array ? [content] : content) {
    hasher.update(chunk);
    written += chunk.length;
    writeAll(file, chunk);
  }
  const found = hasher.digest();
  if (written === size && (digest === undefined || digest === found)) return;
  throw new Failure(
    `${path}: damaged in the store: it has the digest ${found}; fetch the image again`,
  );
}

/** The bytes of a file; a chunk is valid until the next one. */
export function* fileChunks(path: string): Generator<Uint8Array<ArrayBuffer>> {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(CHUNK_SIZE);
  for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
    yield buffer.subarray(0, n);
  }
}

/** Writes all of the bytes. */
export function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
