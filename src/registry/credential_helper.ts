/** Credential helpers: programs that keep passwords (docker-credential-helpers, README, "Development"). */
import { AppcError } from "../appc/error.ts";
import { quoted } from "../oci/quoted.ts";
import { parseJsonObject, string } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { originalVariables } from "../linux/environment.ts";
import type { Secret } from "./auth_file.ts";

/** How long a helper may take; it may ask another program. Milliseconds. */
const PATIENCE = 30_000;

/** Bytes of an answer. */
const MAX_ANSWER = 1 << 20;

/** What helpers say where they have nothing, and exit with 1. */
const NOTHING = /credentials not found/i;

/** Where and how long; for tests. */
export interface HelperOptions {
  /** Default: {@linkcode PATIENCE}. Milliseconds. */
  readonly patience?: number;
  /** Default: those of the user. */
  readonly environment?: Record<string, string>;
}

/**
 * Asks a helper.
 *
 * @param name as the configuration calls it: `docker-credential-NAME` is run
 * @param server whose password is wanted
 * @returns `undefined` where the helper has none
 * @throws {Failure} no such helper, or one that fails. The message has nothing of what it printed
 */
export async function askHelper(
  name: string,
  server: string,
  options: HelperOptions = {},
): Promise<Secret | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    throw new Failure(`credential helper ${quoted(name)}: not a valid name`);
  }
  const program = `docker-credential-${name}`;
  const { code, answer } = await run(program, server, options);
  if (code !== 0) {
    if (NOTHING.test(answer)) return undefined;
    throw new Failure(`${program}: failed with exit code ${code} when asked for ${server}`);
  }
  try {
    const json = parseJsonObject(answer);
    const [user, password] = [string(json.Username, "Username"), string(json.Secret, "Secret")];
    if (user === "<token>") return { kind: "identity token", token: password };
    return user === "" && password === "" ? undefined : { kind: "password", user, password };
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${program}: its answer is not the JSON that helpers give`);
  }
}

async function run(
  program: string,
  server: string,
  options: HelperOptions,
): Promise<{ code: number; answer: string }> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: ["get"],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      env: options.environment ?? originalVariables(),
      clearEnv: true,
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(`${program}: not found in PATH`, 254, { cause: error });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.patience ?? PATIENCE);
  try {
    const asked = ask(child.stdin, server);
    const answer = await readAnswer(child, program);
    await asked;
    const { code } = await child.status;
    if (late) throw new Failure(`${program}: gave no answer in time`);
    return { code, answer };
  } finally {
    clearTimeout(timer);
  }
}

/** A helper that does not read its input has closed it; its exit code says the rest. */
async function ask(stdin: WritableStream<Uint8Array>, server: string): Promise<void> {
  try {
    const writer = stdin.getWriter();
    await writer.write(new TextEncoder().encode(server));
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

async function readAnswer(child: Deno.ChildProcess, program: string): Promise<string> {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const chunk of child.stdout) {
    size += chunk.length;
    if (size > MAX_ANSWER) {
      child.kill("SIGKILL");
      throw new Failure(`${program}: its answer is larger than ${MAX_ANSWER} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
