/** What a program of the host needs to run elsewhere: its loader and libraries, and files that these look for. */
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";

/** A program and what comes with it. */
export interface ProgramFiles {
  /** Absolute paths of the host, which are the same in the image; links are followed. */
  readonly files: readonly string[];
  /** Small files that are made. */
  readonly made: readonly (readonly [path: string, text: string])[];
}

/** The loaders that are asked: nobody's program is run for what it says of itself. */
const LOADERS = /^\/lib(?:32|64|x32)?\/(?:ld-linux(?:-[\w-]+)?\.so\.[12]|ld-musl-\w+\.so\.1)$/;

/** Certificates of authorities, where libraries look for them. */
const AUTHORITIES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

const PT_INTERP = 3;
const MAX_PROGRAM = 2 ** 31;

/**
 * Finds what a program needs.
 *
 * @param path of the program
 * @throws {Failure} where it is no program for this machine, or lacks a library here
 */
export function programFiles(path: string): ProgramFiles {
  const bytes = read(path);
  const loader = interpreter(path, bytes);
  const libraries = loader === undefined ? [] : librariesOf(path, loader);
  const all = [bytes, ...libraries.map((library) => Deno.readFileSync(library))];
  const says = (text: string) => all.some((each) => includes(each, text));
  const usesNames = includes(bytes, "getaddrinfo") || includes(bytes, "getpw") ||
    includes(bytes, "getgr") || includes(bytes, "gethostby");
  const usesTls = says("ca-certificates.crt") ||
    libraries.some((each) => /lib(ssl|gnutls)/.test(each));
  const files = [
    ...loader === undefined ? [] : [loader],
    ...libraries,
    ...usesNames ? nameServices(libraries) : [],
    ...includes(bytes, "setlocale") ? ["/usr/lib/locale/C.utf8"].filter(exists) : [],
    ...usesTls ? AUTHORITIES.filter(exists).slice(0, 1) : [],
  ];
  return {
    files: [...new Set(files)],
    made: usesNames
      ? [
        ["/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
        ["/etc/passwd", "root:x:0:0:root:/:/bin/sh\n"],
        ["/etc/group", "root:x:0:\n"],
      ]
      : [],
  };
}

function read(path: string): Uint8Array<ArrayBuffer> {
  try {
    if (Deno.statSync(path).size > MAX_PROGRAM) throw new Failure(`${path}: larger than 2 GiB`);
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "no such file" : error instanceof Error ? error.message : String(error);
    throw new Failure(`${path}: ${why}`, 254, { cause: error });
  }
}

/** The loader that a program of ELF names (elf(5)); undefined of a static one. */
function interpreter(path: string, bytes: Uint8Array<ArrayBuffer>): string | undefined {
  const view = new DataView(bytes.buffer);
  const [X86_64, AARCH64] = [62, 183];
  const machine = Deno.build.arch === "aarch64" ? AARCH64 : X86_64;
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2) {
    throw new Failure(
      `${path}: is no program (ELF of 64 bits); a script needs its interpreter's image`,
    );
  }
  if (view.getUint16(18, true) !== machine) throw new Failure(`${path}: is for another machine`);
  const at = Number(view.getBigUint64(32, true));
  const [size, count] = [view.getUint16(54, true), view.getUint16(56, true)];
  for (let i = 0; i < count; i++) {
    const header = at + i * size;
    if (header + 56 > bytes.length) throw new Failure(`${path}: is cut off`);
    if (view.getUint32(header, true) !== PT_INTERP) continue;
    const from = Number(view.getBigUint64(header + 8, true));
    const length = Number(view.getBigUint64(header + 32, true));
    const loader = new TextDecoder().decode(bytes.subarray(from, from + length - 1));
    if (LOADERS.test(loader)) return loader;
    throw new Failure(`${path}: its loader ${JSON.stringify(loader)} is none that rkt knows`);
  }
  return undefined;
}

/** The libraries that a loader would load, as it says itself; the program is not started. */
function librariesOf(path: string, loader: string): string[] {
  const { success, stdout, stderr } = new Deno.Command(loader, {
    args: ["--list", Deno.realPathSync(path)],
    env: { LD_LIBRARY_PATH: "", LD_PRELOAD: "" },
    stdin: "null",
  }).outputSync();
  const lines = new TextDecoder().decode(stdout).split("\n");
  const missing = lines.flatMap((line) => /^\s*(\S+) => not found/.exec(line)?.[1] ?? []);
  const [why = ""] = new TextDecoder().decode(stderr).split("\n");
  if (missing.length > 0) throw new Failure(`${path}: this host lacks ${missing.join(", ")}`);
  if (!success) throw new Failure(`${path}: ${why || `${loader} can't list its libraries`}`);
  return lines.flatMap((line) => / => (\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** Before glibc 2.34 the services for names are libraries that nothing names. */
function nameServices(libraries: readonly string[]): string[] {
  const libc = libraries.find((each) => /\/libc\.so\.6$/.test(each));
  if (libc === undefined) return [];
  const directory = libc.slice(0, libc.lastIndexOf("/"));
  return ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"]
    .map((name) => `${directory}/${name}`).filter(exists);
}

function includes(bytes: Uint8Array, text: string): boolean {
  const wanted = new TextEncoder().encode(text);
  const [first = 0] = wanted;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}
