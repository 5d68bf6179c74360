import { isOciImageId } from "../../appc/image_id.ts";
import type { Signer } from "../../store/image_info.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { type AskFiles, keyCopies, type KeyCopy } from "../../trust/key_copies.ts";
import type { Keystore } from "../../trust/scopes.ts";

/** A signer of an image whose key is trusted for it. */
export interface KnownSigner {
  readonly signer: Signer;
  readonly copies: readonly KeyCopy[];
  readonly kind: "openpgp" | "pem";
}

/** A signer of an image, by each key of it that is trusted for the image's name. */
export function knownSigners(
  { key, manifest }: StoredImage,
  signer: Signer,
  keystore: Keystore,
  ask: AskFiles,
): KnownSigner[] {
  const { fingerprint, names = [manifest.name] } = signer;
  const kinds = isOciImageId(key) ? ["openpgp", "pem"] as const : ["openpgp"] as const;
  return names.flatMap((name) =>
    kinds.flatMap((kind) => {
      const file = kind === "pem" ? `${fingerprint}.pem` : fingerprint;
      const { trusted, copies } = keyCopies(keystore, name, file, ask);
      return trusted ? { signer, copies, kind } : [];
    })
  );
}
