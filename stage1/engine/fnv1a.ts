/** FNV-1a, the hash of the engine's operation `hash` (draft-eastlake-fnv, 64 bits). It is for names, and against accidents. */

/** The state to begin with. */
export const FNV_OFFSET_BASIS = 0xcbf29ce484222325n;

const FNV_PRIME = 0x100000001b3n;

/** The hash of bytes, unsigned, from the state that bytes before them have led to. */
export function fnv1a(bytes: Uint8Array, state = FNV_OFFSET_BASIS): bigint {
  let hash = BigInt.asUintN(64, state);
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  return hash;
}
