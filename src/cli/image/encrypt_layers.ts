/** Layers of OCI images, encrypted to recipients and decrypted by keys: `image encrypt` and `image decrypt` of these. */
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { printNote } from "../../linux/printable.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { conversionTarget, convertToFile, type LayerCiphers } from "../../push/convert_file.ts";
import type { RegistryReference } from "../../oci/reference.ts";
import type { EncryptLayer } from "../../push/encrypted_layers.ts";
import { Store } from "../../store/store.ts";
import { openEncryptedLayer } from "../../trust/layers/decrypt_layer.ts";
import {
  encryptedLayer,
  type LayerRecipients,
  readLayerRecipients,
} from "../../trust/layers/encrypt_layer.ts";
import type { Decryptors } from "../../trust/session_keys.ts";
import type { Invocation } from "../grammar/command.ts";
import type { Flags } from "../grammar/flags.ts";
import { printLine } from "../print/output.ts";
import { placeOutput } from "../print/place_output.ts";
import { registrySettings } from "../request/registry_settings.ts";
import { storedImage } from "../request/stored_image.ts";

/** Encrypts an image of the store or of a file into a layout, an archive or a registry; prints where it is. */
export async function encryptLayers(
  source: string,
  target: string,
  invocation: Invocation,
): Promise<number> {
  const { flags } = invocation;
  for (const flag of ["passphrase-file", "pad"]) {
    if (!flags.isSet(flag)) continue;
    throw new Failure(`--${flag} is not for layers of OCI images; --recipient=FILE is`);
  }
  const recipients = await recipientsOf(flags);
  const encrypt: EncryptLayer = (compressed) => encryptedLayer(compressed, recipients);
  const location = parseOciLocation(target);
  if (location?.kind === "registry") {
    return await pushEncrypted(source, location.reference, encrypt, invocation);
  }
  if (location?.kind === "docker-archive") {
    throw new Failure(`${target}: layers of docker archives can't be encrypted; oci-archive: can`);
  }
  return await convert(source, target, { encrypt }, invocation);
}

/** Writes an image with its layers decrypted; prints where it is. */
export async function decryptLayers(
  source: string,
  target: string,
  by: Decryptors,
  invocation: Invocation,
): Promise<number> {
  return await convert(source, target, {
    decrypt: (layer, { annotations }) => openEncryptedLayer(layer, annotations, by),
  }, invocation);
}

async function convert(
  source: string,
  target: string,
  ciphers: LayerCiphers,
  { flags, global }: Invocation,
): Promise<number> {
  const store = new Store(global.dir);
  const file = conversionTarget(target);
  await placeOutput(file.path, flags.on("overwrite"), async (temporary) => {
    const stored = () => storedImage(store, source);
    await convertToFile(store, source, stored, file, temporary, ciphers);
  });
  printLine(target);
  return 0;
}

async function pushEncrypted(
  source: string,
  target: RegistryReference,
  encrypt: EncryptLayer,
  { global }: Invocation,
): Promise<number> {
  const { pushImage } = await import("../../push/push_image.ts");
  const { Registries } = await import("../../registry/registries.ts");
  const store = new Store(global.dir);
  const image = await storedImage(store, source);
  using registries = await Registries.open(registrySettings(global));
  const message = (line: string) => printNote(`encrypt: ${line}`);
  const { digest } = await pushImage({ registries, store, image, target, encrypt, message });
  printLine(digest);
  return 0;
}

async function recipientsOf(flags: Flags): Promise<LayerRecipients> {
  const found: LayerRecipients[] = [];
  for (const file of flags.all("recipient")) {
    if (!exists(file)) throw new Failure(`key ${file}: no such file`);
    found.push(await readLayerRecipients(Deno.readFileSync(file), file));
  }
  if (found.length === 0) throw new Failure("--recipient=KEY-FILE is needed");
  return { pgp: found.flatMap(({ pgp }) => pgp), jwe: found.flatMap(({ jwe }) => jwe) };
}
