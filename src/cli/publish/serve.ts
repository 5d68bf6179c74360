/** `rkt serve`: a directory of images on the web, for trying it. */
import { Failure } from "../../failure.ts";
import { printNote } from "../../linux/printable.ts";
import { answer } from "../../publish/static_files.ts";
import type { Invocation } from "../grammar/command.ts";

/** Returns when it is asked to end. */
export default async function serve({ args, flags }: Invocation): Promise<number> {
  const [directory = ""] = args;
  try {
    if (!Deno.statSync(directory).isDirectory) {
      throw new Failure(`${directory}: is not a directory`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(`${directory}: no such directory`, 254, { cause: error });
  }
  const [, hostname = "", port = ""] = /^(.*):(\d{1,5})$/.exec(flags.text("listen") ?? "") ?? [];
  if (port === "" || Number(port) > 65_535) throw new Failure("--listen is [ADDRESS]:PORT");
  const [cert, key] = [readText(flags.text("tls-cert")), readText(flags.text("tls-key"))];
  if ((cert === undefined) !== (key === undefined)) {
    throw new Failure("--tls-cert and --tls-key go together");
  }
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => ended.abort());
  }
  const options = {
    port: Number(port),
    hostname: hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    signal: ended.signal,
    onListen: (address: Deno.NetAddr) =>
      printNote(
        `serve: ${directory} at ${
          cert === undefined ? "http" : "https"
        }://${address.hostname}:${address.port}`,
      ),
    ...cert !== undefined && key !== undefined && { cert, key },
  };
  try {
    await Deno.serve(options, (request) => answer(directory, request)).finished;
  } catch (error) {
    throw new Failure(`${error instanceof Error ? error.message : error}`, 254, { cause: error });
  }
  return 0;
}

function readText(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new Failure(`${path}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
}
