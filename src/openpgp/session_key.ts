/** A key that a message is encrypted with. */
export interface SessionKey {
  /** As OpenPGP's implementations call it: `aes256`. */
  readonly algorithm: string;
  readonly data: Uint8Array;
}
