/** Signatures of images by GnuPG: an OpenPGP message with a claim in it (containers-signature(5)). */
import type * as OpenPgp from "openpgp";
import { Failure } from "../../failure.ts";
import { openPgp, plain, type PublicKey } from "../public_key.ts";
import {
  acceptableSigners,
  createSignedDigests,
  type TrustPolicy,
  usableSignatures,
  verifySigned,
} from "../signature.ts";
import { judged } from "./cosign.ts";
import { GPG_CLAIM, mismatch, readClaim, type Verdict, type WantedImage } from "./signed_claim.ts";

/** Bytes of the largest message. */
export const MAX_MESSAGE_BYTES = 64 << 10;

/** Bytes that a compressed message may become. */
const MAX_PAYLOAD = 1 << 20;

/**
 * Judges a message.
 *
 * @param keys those that are trusted for the image's name
 */
export async function judgeMessage(
  bytes: Uint8Array,
  keys: readonly PublicKey[],
  wanted: WantedImage,
  policy: TrustPolicy,
): Promise<Verdict> {
  try {
    const { payload, packets } = await openMessage(bytes);
    const candidates = await acceptableSigners(
      "it",
      usableSignatures(packets, "of the image"),
      keys,
      policy,
    );
    const digests = await createSignedDigests(candidates.map(({ signature }) => signature));
    digests.update(payload);
    const [signer] = await verifySigned("it", candidates, digests, policy);
    return judged(() => {
      const other = mismatch(readClaim(payload, GPG_CLAIM), wanted);
      const fingerprint = signer?.fingerprint ?? "";
      if (other !== undefined) return { refusal: `by key ${fingerprint}: ${other}` };
      const identity = signer?.identities[0] ?? "";
      return { signer: { fingerprint, identity, signedAt: signer?.created.getTime() } };
    });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { refusal: error.message.replace(/^it: signature refused: /, "") };
  }
}

async function openMessage(
  bytes: Uint8Array,
): Promise<{ payload: Uint8Array; packets: readonly OpenPgp.SignaturePacket[] }> {
  const { enums, readMessage, SignaturePacket } = await openPgp();
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new Failure(`it is larger than ${MAX_MESSAGE_BYTES} bytes`);
  }
  try {
    const message = await readMessage({
      binaryMessage: new Uint8Array(bytes),
      config: { maxDecompressedMessageSize: MAX_PAYLOAD },
    });
    const signed = message.unwrapCompressed();
    // The library reads up to the payload, and leaves what is behind it in a stream, here an array.
    const behind: unknown = Reflect.get(signed.packets, "stream");
    const packets = [
      ...new Set<unknown>([...signed.packets, ...Array.isArray(behind) ? behind : []]),
    ];
    const signatures = packets.filter((each) => each instanceof SignaturePacket);
    const literals = signed.packets.filterByTag(enums.packet.literalData);
    const payload = literals.length === 1 ? signed.getLiteralData() : null;
    if (!(payload instanceof Uint8Array)) throw new Error("there is no payload in it");
    return { payload, packets: signatures };
  } catch (error) {
    throw new Failure(`it is not a usable OpenPGP message: ${plain(error)}`, 254, { cause: error });
  }
}
