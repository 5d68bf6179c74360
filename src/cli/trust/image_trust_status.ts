import { keystoreOf } from "../request/keystore.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { forThisHost } from "../../fetch/host_labels.ts";
import { parseImageArgument, signatureLocation } from "../../fetch/image_argument.ts";
import type { SignedImage } from "../../fetch/signed_image.ts";
import { readImageInfo, type Signer } from "../../store/image_info.ts";
import { Store } from "../../store/store.ts";
import { acceptanceFor } from "../../trust/accepted_wishes.ts";
import { keyFilesFor, scopeText } from "../../trust/keystore.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { jsonText } from "../print/json.ts";
import { printLine, printLines } from "../print/output.ts";
import { keyEntries, type KeyEntry, keyEntryJson } from "../print/key_entries.ts";

/** What is known about an image's signature. */
interface Subject {
  readonly name: string;
  /** The stored image. Absent if the store does not have it. */
  readonly key?: string;
  readonly signers: readonly Signer[];
  /** For a file: who signed it, or why the signature is refused. */
  readonly fileVerdict?: string;
}

/** `rkt image trust-status`: why an image is trusted or not. Exits with 1 when it is not. */
export default async function trustStatus({ args, flags, global }: Invocation): Promise<number> {
  const subject = await findSubject(args[0] ?? "", global);
  const keystore = keystoreOf(global);
  const entries = await keyEntries(keyFilesFor(keystore, subject.name));
  const { trusted, reason } = verdict(subject, entries);
  const format = flags.text("format");
  if (format !== undefined) {
    const { name, key, signers } = subject;
    const keys = entries.map(keyEntryJson);
    printLines(
      jsonText({ name, id: key, trusted, reason, signers, keys }, format === "json-pretty"),
    );
    return trusted ? 0 : 1;
  }
  printLine(`image:   ${subject.name}${subject.key === undefined ? "" : ` (${subject.key})`}`);
  for (const signer of subject.signers) {
    const time = new Date(signer.signedAt).toISOString();
    printLine(`signed:  by ${signer.fingerprint} ${signer.identity} at ${time}`);
  }
  for (const { file, key, state } of entries) {
    const who = `${file.fingerprint ?? file.path} ${key?.identities[0] ?? ""}`.trimEnd();
    printLine(`key:     ${who}: ${state}, for ${scopeText(file.scope)} (${file.origin})`);
  }
  const accepted = acceptanceFor(keystore, subject.name);
  if (accepted !== undefined) {
    printLine(`accepts: what it asks for beyond the default, for ${scopeText(accepted.scope)}`);
  }
  printLine(`verdict: ${trusted ? "trusted" : "not trusted"}: ${reason}`);
  return trusted ? 0 : 1;
}

async function findSubject(text: string, global: GlobalFlags): Promise<Subject> {
  const isFile = (path: string) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  };
  const argument = parseImageArgument(text, isFile);
  if (argument.kind === "file") return await fileSubject(argument.path, global);
  const store = new Store(global.dir);
  const stored = argument.kind === "id"
    ? await store.resolve({ id: argument.id })
    : argument.kind === "name"
    ? await store.resolve(forThisHost(argument.image))
    : undefined;
  if (stored !== undefined) {
    const { signers } = readImageInfo(global.dir, stored.key);
    return { name: stored.manifest.name, key: stored.key, signers };
  }
  return { name: argument.kind === "name" ? argument.image.name : text, signers: [] };
}

/** Reads a file and its signature, as a fetch would, but stores nothing. */
async function fileSubject(path: string, global: GlobalFlags): Promise<Subject> {
  const { readAci } = await import("../../aci/aci_reader.ts");
  const { fileSource } = await import("../../aci/bytes/source.ts");
  const { FetchSession } = await import("../../fetch/fetch_session.ts");
  const { openSignature } = await import("../../fetch/signed_image.ts");
  const { fetchSettings } = await import("../request/fetch_settings.ts");
  using session = new FetchSession(fetchSettings(global));
  using source = fileSource(path);
  let judge: SignedImage | undefined;
  let problem = "";
  try {
    judge = await openSignature(session, path, signatureLocation(path), undefined);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const contents = await readAci(judge?.watched(source) ?? source);
  const manifest = parseImageManifest(contents.manifestText);
  try {
    const signers = await judge?.verify(manifest) ?? [];
    return { name: manifest.name, signers, ...problem !== "" && { fileVerdict: problem } };
  } catch (error) {
    const fileVerdict = error instanceof Error ? error.message : String(error);
    return { name: manifest.name, signers: [], fileVerdict };
  }
}

function verdict(
  { name, key, signers, fileVerdict }: Subject,
  entries: readonly KeyEntry[],
): { trusted: boolean; reason: string } {
  if (fileVerdict !== undefined) return { trusted: false, reason: fileVerdict };
  const good = entries.filter((entry) => entry.state === "trusted");
  const by =
    signers.flatMap((signer) =>
      good.filter((entry) => entry.file.fingerprint === signer.fingerprint)
    )[0];
  if (by !== undefined) {
    const reason = `signed by ${by.file.fingerprint}, which is trusted for ` +
      scopeText(by.file.scope);
    return { trusted: true, reason };
  }
  if (signers.length > 0) {
    return { trusted: false, reason: "it was verified once, but its signer is not trusted now" };
  }
  if (key !== undefined) {
    return { trusted: false, reason: "it is in the store without a verified signature" };
  }
  const reason = good.length === 0
    ? `no key is trusted for ${name}; add one: rkt trust --prefix=${name} KEY`
    : `it is not in the store; a fetch would accept a signature by ${good.length} of these keys`;
  return { trusted: false, reason };
}
