/** OpenSSL's libcrypto, where it is installed: for ciphers that Deno does not have. */

const LIBCRYPTO = {
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_aes_128_cfb128: { parameters: [], result: "pointer" },
  EVP_aes_192_cfb128: { parameters: [], result: "pointer" },
  EVP_aes_256_cfb128: { parameters: [], result: "pointer" },
  EVP_aes_128_ecb: { parameters: [], result: "pointer" },
  EVP_aes_192_ecb: { parameters: [], result: "pointer" },
  EVP_aes_256_ecb: { parameters: [], result: "pointer" },
  EVP_CipherInit_ex: {
    parameters: ["pointer", "pointer", "pointer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_CipherUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "i32",
  },
} as const;

/** `openssl/evp.h`. */
export type Libcrypto = Deno.DynamicLibrary<typeof LIBCRYPTO>["symbols"];

/** libcrypto of OpenSSL 3; undefined where it is not installed. */
export function libcrypto(): Libcrypto | undefined {
  try {
    return Deno.dlopen("libcrypto.so.3", LIBCRYPTO).symbols;
  } catch {
    return undefined;
  }
}
