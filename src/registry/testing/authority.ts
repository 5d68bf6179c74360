/** Certificates of an authority that only a test trusts, made by openssl. */
import { tool } from "../../oci/testing/tools.ts";

/** PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority. */
export class TestAuthority {
  readonly #directory: string;
  #count = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param directory an empty one, which the caller removes */
  static async make(directory: string): Promise<TestAuthority> {
    await Deno.mkdir(directory, { recursive: true });
    const authority = new TestAuthority(directory);
    await tool("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", `${directory}/ca.key`, "-out", authority.caFile, "-days", "2"],
      ...["-subj", "/CN=authority of a test"],
    ]);
    return authority;
  }

  /** Its own certificate. */
  get caFile(): string {
    return `${this.#directory}/ca.pem`;
  }

  /** @param names like `DNS:localhost` or `IP:127.0.0.1` */
  async certificate(names: readonly string[]): Promise<CertificateFiles> {
    const path = `${this.#directory}/${this.#count++}`;
    await tool("openssl", [
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", `${path}.key`, "-out", `${path}.csr`, "-subj", "/CN=a test"],
    ]);
    await Deno.writeTextFile(`${path}.cnf`, `subjectAltName=${names.join(",")}\n`);
    await tool("openssl", [
      ...["x509", "-req", "-in", `${path}.csr`, "-out", `${path}.pem`, "-days", "2"],
      ...["-CA", this.caFile, "-CAkey", `${this.#directory}/ca.key`, "-CAcreateserial"],
      ...["-extfile", `${path}.cnf`],
    ]);
    return { cert: `${path}.pem`, key: `${path}.key` };
  }
}
