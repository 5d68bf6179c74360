/** The files of Debian packages (deb(5)): the archive `data.tar` in an archive of ar(5). No script of theirs is run. */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import type { ByteSource } from "../aci/bytes/source.ts";
import { Failure } from "../failure.ts";

/** What an archive of ar(1) begins with, and the bytes of a member's header. */
const MAGIC = "!<arch>\n";
const HEADER = 60;

/** The packages in a directory, in the order in which they are extracted: base-files, which may merge /usr, first. */
export function packagesIn(directory: string): string[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    throw new Failure(`${directory}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
  const packages = names.filter((name) => name.endsWith(".deb")).sort();
  if (packages.length === 0) throw new Failure(`${directory}: has no package (*.deb)`);
  const isFirst = (name: string) => /^(base-files|usr-is-merged|usrmerge)_/.test(name);
  return [...packages.filter(isFirst), ...packages.filter((name) => !isFirst(name))]
    .map((name) => `${directory}/${name}`);
}

/**
 * The files of a package: an archive of tar, compressed or not.
 *
 * @throws {ArchiveError} where it is none
 */
export function packageFiles(path: string): ByteSource {
  const file = Deno.openSync(path);
  try {
    const [from, size] = dataMember(file, path);
    file.seekSync(from, Deno.SeekMode.Start);
    return part(file, `${path}: data.tar`, size);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Where `data.tar` is. */
function dataMember(file: Deno.FsFile, path: string): readonly [from: number, size: number] {
  const wrong = (why: string) => new ArchiveError(`${path}: is no Debian package: ${why}`);
  if (text(file, 0, MAGIC.length) !== MAGIC) throw wrong("it does not begin as one");
  for (let at = MAGIC.length;;) {
    const header = text(file, at, HEADER);
    if (header.length < HEADER) throw wrong("it has no data.tar");
    const size = Number(header.slice(48, 58).trim());
    if (header.slice(58) !== "`\n" || !Number.isSafeInteger(size) || size < 0) {
      throw wrong(`the member at ${at} has no sound header`);
    }
    if (/^data\.tar(\.\w+)?[ /]/.test(header)) return [at + HEADER, size];
    at += HEADER + size + size % 2;
  }
}

function text(file: Deno.FsFile, at: number, size: number): string {
  const bytes = new Uint8Array(size);
  file.seekSync(at, Deno.SeekMode.Start);
  let got = 0;
  for (let n: number | null = 1; n !== null && got < size; got += n ?? 0) {
    n = file.readSync(bytes.subarray(got));
  }
  return new TextDecoder("latin1").decode(bytes.subarray(0, got));
}

/** So many bytes of a file from where it stands. */
function part(file: Deno.FsFile, name: string, size: number): ByteSource {
  const buffer = new Uint8Array(1 << 18);
  let left = size;
  let isOpen = true;
  return {
    name,
    read() {
      const n = left === 0
        ? null
        : file.readSync(buffer.subarray(0, Math.min(left, buffer.length)));
      if (n === null && left > 0) {
        return Promise.reject(new ArchiveError(`${name}: ends too early`));
      }
      left -= n ?? 0;
      return Promise.resolve(n === null ? undefined : buffer.subarray(0, n));
    },
    [Symbol.dispose]() {
      if (isOpen) file.close();
      isOpen = false;
    },
  };
}
