/**
 * A secret that only the machine's TPM 2.0 opens, by tpm2-tools: whoever takes the disk has nothing of it. The object lies below a
 * primary key of the owner's, which the TPM makes anew each time from its own seed, so nothing is kept in the TPM.
 */
import { Failure } from "../failure.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import { printableLine } from "../linux/printable.ts";

/** What the TPM opens. */
export interface SealedSecret {
  /** TPM2B_PUBLIC and TPM2B_PRIVATE of the object (TPM 2.0 Library, part 2), in base64. */
  readonly public: string;
  readonly private: string;
  /** Registers that must be as they were; tpm2_policypcr(1). */
  readonly pcrs?: string | undefined;
}

export const sealedPath = (dataDir: string): string => `${dataDir}/identity/sealed.json`;

/** Where files for tpm2-tools are made: in memory. */
const SCRATCH = "/run/rkt";

const FLUSH = "tpm2_flushcontext";

/** The attributes of a sealed object: it can't be taken to another TPM (tpm2_create(1)). */
const ATTRIBUTES = "fixedtpm|fixedparent|noda";

/**
 * Reads what was sealed; undefined where nothing was.
 *
 * @throws {Failure} where the file has another form
 */
export function readSealed(dataDir: string): SealedSecret | undefined {
  const path = sealedPath(dataDir);
  try {
    const { public: open, private: hidden, pcrs } = JSON.parse(Deno.readTextFileSync(path));
    if (typeof open === "string" && typeof hidden === "string") {
      return { public: open, private: hidden, ...typeof pcrs === "string" && { pcrs } };
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Failure(
    `${path} is no sealed secret; put back a copy of it, or remove it for new identities`,
  );
}

/** Writes what was sealed, for root alone. */
export function writeSealed(dataDir: string, sealed: SealedSecret): void {
  Deno.mkdirSync(`${dataDir}/identity`, { recursive: true, mode: 0o700 });
  replaceFile(sealedPath(dataDir), `${JSON.stringify(sealed)}\n`, { mode: 0o600, durable: true });
}

/**
 * Seals a text.
 *
 * @throws {Failure} where there is no TPM, or tpm2-tools are missing
 */
export async function sealSecret(text: string, pcrs?: string): Promise<SealedSecret> {
  using scratch = new Scratch();
  const { dir } = scratch;
  primaryKey(dir);
  const policy = pcrs === undefined ? [] : ["-L", `${dir}/policy`];
  if (pcrs !== undefined) {
    tool("tpm2_createpolicy", "--policy-pcr", "-l", pcrs, "-L", `${dir}/policy`);
  }
  const object = ["-u", `${dir}/public`, "-r", `${dir}/private`];
  await toolWithInput(
    text,
    "tpm2_create",
    ...["-C", `${dir}/primary`, "-a", ATTRIBUTES, ...policy, "-i", "-", ...object],
  );
  const base64 = (name: string) => Deno.readFileSync(`${dir}/${name}`).toBase64();
  return {
    ...{ public: base64("public"), private: base64("private") },
    ...pcrs !== undefined && { pcrs },
  };
}

/**
 * Opens what was sealed.
 *
 * @throws {Failure} where this TPM can't
 */
export function unsealSecret(sealed: SealedSecret): string {
  using scratch = new Scratch();
  const { dir } = scratch;
  for (const name of ["public", "private"] as const) {
    Deno.writeFileSync(`${dir}/${name}`, Uint8Array.fromBase64(sealed[name]));
  }
  primaryKey(dir);
  const object = ["-u", `${dir}/public`, "-r", `${dir}/private`];
  tool("tpm2_load", "-C", `${dir}/primary`, ...object, "-c", `${dir}/object`);
  const policy = sealed.pcrs === undefined ? [] : ["-p", `pcr:${sealed.pcrs}`];
  return tool("tpm2_unseal", "-c", `${dir}/object`, ...policy);
}

/** A directory for one use. */
class Scratch implements Disposable {
  readonly dir: string;

  constructor() {
    Deno.mkdirSync(SCRATCH, { recursive: true, mode: 0o755 });
    this.dir = Deno.makeTempDirSync({ dir: SCRATCH, prefix: "tpm-" });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

function primaryKey(dir: string): void {
  tool("tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "ecc", "-c", `${dir}/primary`);
}

/** Runs a tool, and returns what it prints. */
function tool(name: string, ...args: readonly string[]): string {
  return outcome(
    name,
    started(name, () => new Deno.Command(name, { args: [...args] }).outputSync()),
  );
}

async function toolWithInput(
  input: string,
  name: string,
  ...args: readonly string[]
): Promise<void> {
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = started(
    name,
    () => new Deno.Command(name, { args: [...args], ...streams }).spawn(),
  );
  const writer = child.stdin.getWriter();
  // Who has ended without reading says why below.
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  outcome(name, await child.output());
}

function started<T>(name: string, start: () => T): T {
  try {
    return start();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(`there is no ${name}; install tpm2-tools`, 254, { cause: error });
  }
}

function outcome(name: string, { success, stdout, stderr }: Deno.CommandOutput): string {
  const text = new TextDecoder();
  if (!success) {
    const line = text.decode(stderr).split("\n").find((each) => each.startsWith("ERROR"));
    throw new Failure(`the TPM: ${name}: ${printableLine(line ?? "it has failed")}`);
  }
  // Without a resource manager what was loaded stays, and a TPM has room for three objects.
  if (name !== FLUSH) tool(FLUSH, "--transient-object");
  return text.decode(stdout);
}
