/** The compression libraries of the system: liblzma, libbz2 and libzstd, where they are installed. */

const LIBLZMA = {
  lzma_stream_decoder: { parameters: ["buffer", "u64", "u32"], result: "i32" },
  lzma_code: { parameters: ["buffer", "i32"], result: "i32" },
  lzma_end: { parameters: ["buffer"], result: "void" },
} as const;

const LIBBZ2 = {
  BZ2_bzDecompressInit: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  BZ2_bzDecompress: { parameters: ["buffer"], result: "i32" },
  BZ2_bzDecompressEnd: { parameters: ["buffer"], result: "i32" },
} as const;

const LIBZSTD = {
  ZSTD_createDCtx: { parameters: [], result: "pointer" },
  ZSTD_freeDCtx: { parameters: ["pointer"], result: "usize" },
  ZSTD_decompressStream: { parameters: ["pointer", "buffer", "buffer"], result: "usize" },
  ZSTD_isError: { parameters: ["usize"], result: "u32" },
  ZSTD_getErrorName: { parameters: ["usize"], result: "pointer" },
} as const;

/** Since libzstd 1.4. A call that does not block runs on a thread of the runtime's. */
const LIBZSTD_COMPRESSOR = {
  ZSTD_createCCtx: { parameters: [], result: "pointer" },
  ZSTD_freeCCtx: { parameters: ["pointer"], result: "usize" },
  ZSTD_CCtx_setParameter: { parameters: ["pointer", "i32", "i32"], result: "usize" },
  ZSTD_compress2: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "usize",
  },
  compressBeside: {
    name: "ZSTD_compress2",
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "usize",
    nonblocking: true,
  },
  ZSTD_isError: { parameters: ["usize"], result: "u32" },
} as const;

/** `lzma/base.h`, `lzma/container.h`. */
export type Liblzma = Deno.DynamicLibrary<typeof LIBLZMA>["symbols"];
/** `bzlib.h`. */
export type Libbz2 = Deno.DynamicLibrary<typeof LIBBZ2>["symbols"];
/** `zstd.h`. */
export type Libzstd = Deno.DynamicLibrary<typeof LIBZSTD>["symbols"];
/** `zstd.h`, "Advanced compression API". */
export type LibzstdCompressor = Deno.DynamicLibrary<typeof LIBZSTD_COMPRESSOR>["symbols"];

function load<S extends Deno.ForeignLibraryInterface>(
  name: string,
  symbols: S,
): Deno.DynamicLibrary<S>["symbols"] | undefined {
  try {
    return Deno.dlopen(name, symbols).symbols;
  } catch {
    return undefined;
  }
}

/** liblzma; undefined where it is not installed. */
export function liblzma(): Liblzma | undefined {
  return load("liblzma.so.5", LIBLZMA);
}

/** libbz2; undefined where it is not installed. Debian's soname has two numbers, Fedora's has one. */
export function libbz2(): Libbz2 | undefined {
  return load("libbz2.so.1.0", LIBBZ2) ?? load("libbz2.so.1", LIBBZ2);
}

/** libzstd; undefined where it is not installed. */
export function libzstd(): Libzstd | undefined {
  return load("libzstd.so.1", LIBZSTD);
}

/** What compresses in libzstd; undefined where that is not installed, or too old. */
export function libzstdCompressor(): LibzstdCompressor | undefined {
  return load("libzstd.so.1", LIBZSTD_COMPRESSOR);
}
