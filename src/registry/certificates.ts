/** Certificates for single registries (containers-certs.d(5)): authorities, and what this host shows of itself. */
import { Failure } from "../failure.ts";
import type { UserEnvironment } from "./credentials.ts";

/** What is used for a registry beside what the host trusts. */
export interface RegistryCertificates {
  readonly caCertificates: readonly string[];
  readonly clientCertificate?: { readonly cert: string; readonly key: string };
}

const MAX_BYTES = 1 << 20;

/** Directories with one for each `HOST[:PORT]`. */
export function certificateDirectories({ variable, uid }: UserEnvironment): string[] {
  const home = variable("HOME");
  return [
    ...uid !== 0 && home !== undefined ? [`${home}/.config/containers/certs.d`] : [],
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ];
}

/**
 * Reads the certificates for a registry; those of the first directory that has one for it.
 *
 * @param host `HOST[:PORT]`, which is a name without slashes
 * @throws {Failure} a certificate without its key, or a file that is none
 */
export function readCertificates(
  host: string,
  directories: readonly string[],
): RegistryCertificates {
  for (const directory of directories.map((each) => `${each}/${host}`)) {
    const names = namesIn(directory);
    if (names === undefined) continue;
    const caCertificates = names.filter((name) => name.endsWith(".crt"))
      .map((name) => pem(`${directory}/${name}`, "CERTIFICATE"));
    const [certificate] = names.filter((name) => name.endsWith(".cert"));
    if (certificate === undefined) return { caCertificates };
    const key = `${certificate.slice(0, -".cert".length)}.key`;
    if (!names.includes(key)) {
      throw new Failure(`${directory}/${certificate}: its key ${key} is missing`);
    }
    const cert = pem(`${directory}/${certificate}`, "CERTIFICATE");
    const secret = pem(`${directory}/${key}`, "PRIVATE KEY");
    return { caCertificates, clientCertificate: { cert, key: secret } };
  }
  return { caCertificates: [] };
}

function namesIn(directory: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Failure(`${directory}: permission denied`, 254, { cause: error });
    }
    throw error;
  }
}

function pem(path: string, kind: string): string {
  const { size, isFile } = Deno.statSync(path);
  if (!isFile || size > MAX_BYTES) throw new Failure(`${path}: not a PEM file`);
  const text = Deno.readTextFileSync(path);
  if (text.includes("-----BEGIN ") && text.includes(`${kind}-----`)) return text;
  throw new Failure(`${path}: there is no ${kind.toLowerCase()} in PEM in it`);
}
