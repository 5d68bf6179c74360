import { printNote } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import { FetchSession } from "../../fetch/fetch_session.ts";
import { usedByLivePods } from "../../pod/directory/used_by_pods.ts";
import { MissingDependency } from "../../store/image_graph.ts";
import { readImageInfo } from "../../store/image_info.ts";
import { Store } from "../../store/store.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { verifyImage } from "../../store/verify_image.ts";
import { verifyStoredSignature } from "../../fetch/trust/stored_signature.ts";
import type { Invocation } from "../grammar/command.ts";
import { fetchSettings } from "../request/fetch_settings.ts";
import { printLine } from "../print/output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image verify`: checks archives by their IDs, trees by their archives, signatures by today's keys. */
export default async function run({ args, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  using session = new FetchSession(fetchSettings(global, store));
  let failed = 0;
  for (const text of args) {
    try {
      const image = await storedImage(store, text);
      await verifyFiles(store, image, text);
      await verifySignature(session, image, text);
      printLine(`successfully verified checksum for image: "${text}" ("${image.key}")`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      printNote(`verify: ${error.message}`);
      failed += 1;
    }
  }
  if (failed > 0) throw new Failure(`${failed} image(s) could not be verified`);
  return 0;
}

async function verifyFiles(store: Store, image: StoredImage, text: string): Promise<void> {
  try {
    const difference = await verifyImage(store, image, usedByLivePods(store.dataDir));
    if (difference === undefined) return;
    printNote(`verify: image "${text}": its tree was damaged (${difference}): repaired`);
  } catch (error) {
    // A killed fetch or an `image rm` may have left it so; the other files are undamaged.
    if (!(error instanceof MissingDependency)) throw error;
    printNote(`verify: ${error.message}; without it there is no tree to check`);
  }
}

async function verifySignature(
  session: FetchSession,
  image: StoredImage,
  text: string,
): Promise<void> {
  if (session.allows("image")) return;
  const { store: { dataDir } } = session.settings;
  const info = readImageInfo(dataDir, image.key);
  const keys = info.signature === undefined ? [] : await session.trustedKeys(image.manifest.name);
  await verifyStoredSignature(
    `image "${text}" (${image.key})`,
    info,
    keys.map(({ key }) => key),
    { allowDsa: session.allows("dsa") },
  );
}
