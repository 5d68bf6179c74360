/** An image that a transport has brought, with its signature, as files that are read like any others. */
import { Failure } from "../../failure.ts";
import { MAX_SIGNATURE_BYTES } from "../../trust/signature.ts";
import { TempDirectory } from "../../store/temp_directory.ts";
import { type FetchSession, getFile } from "../fetch_session.ts";
import { runTransport, transportProgram, transportScheme } from "./program.ts";

/** Bytes of an image at most, where `--max-size` says nothing. */
const MOST_IMAGE = 64 * 2 ** 30;

/** The files. Disposing deletes them. */
export interface BroughtImage extends Disposable {
  readonly path: string;
  readonly signature: string;
  /** A message with the URL in the place of the files' paths. */
  named(message: string): string;
}

/**
 * Lets the transport of a URL get the image and, unless one is given or none is needed, its signature: the same URL with
 * `.asc` behind its path.
 *
 * @throws {Failure}
 */
export async function bringImage(
  session: FetchSession,
  url: string,
  signature: string | undefined,
): Promise<BroughtImage> {
  const { config, maxSize, message } = session.settings;
  const scheme = transportScheme(url);
  if (scheme === undefined) throw new TypeError(`${url} is for no transport`);
  const program = transportProgram(config, scheme);
  const beside = signatureUrl(url);
  const wantsSignature = signature === undefined && !session.allows("image");
  if (wantsSignature && beside === undefined) {
    throw new Failure(`${url}: nothing says where its signature is; name a file with --signature`);
  }
  const most = maxSize ?? MOST_IMAGE;
  const brought = await bring(session, url, async ({ path, directoryFor, progress }) => {
    const get = (what: string, file: string, most: number) =>
      runTransport(program, {
        ...{
          url: what,
          most,
          directory: directoryFor(file === path ? "work" : "signature-work"),
          file,
        },
        progress: file === path ? progress : () => {},
        message: (line) => message(`transport ${scheme}: ${line}`),
      });
    // First, because without it nobody wants the image.
    if (wantsSignature && beside !== undefined) {
      await get(beside, `${path}.asc`, MAX_SIGNATURE_BYTES);
    }
    await get(url, path, most);
  });
  return { ...brought, signature: signature ?? `${brought.path}.asc` };
}

/** Where a transport puts what it brings. */
interface Bringing {
  readonly path: string;
  /** Makes a directory for a transport to work in. */
  directoryFor(name: string): string;
  readonly progress: (bytes: number, total?: number) => void;
}

/** Lets something put an image into a directory that goes with what is returned, or with the error. */
async function bring(
  session: FetchSession,
  url: string,
  act: (bringing: Bringing) => Promise<void>,
): Promise<Pick<BroughtImage, "path" | "named"> & Disposable> {
  const temp = TempDirectory.create(session.settings.store.dataDir);
  const bar = (await session.progress()).start(url);
  const path = `${temp.path}/image.aci`;
  const directoryFor = (name: string) => {
    Deno.mkdirSync(`${temp.path}/${name}`, { mode: 0o700 });
    return `${temp.path}/${name}`;
  };
  try {
    await act({ path, directoryFor, progress: bar.update });
    return {
      path,
      named: (text) => text.replaceAll(path, url),
      [Symbol.dispose]: () => temp[Symbol.dispose](),
    };
  } catch (error) {
    temp[Symbol.dispose]();
    throw error;
  } finally {
    bar.end();
  }
}

/** A file of a torrent. 8 MiB have the digests of some 400 GB. */
const MOST_TORRENT = 8 * 2 ** 20;

/** What a transport finds the file of a torrent as, in its working directory. */
const TORRENT_FILE = "it.torrent";

/**
 * Lets the transport for torrents get what a `.torrent` on a web server describes; that file is fetched here, with the
 * host's own certificates and passwords.
 *
 * @throws {Failure}
 */
export async function bringTorrent(
  session: FetchSession,
  url: string,
): Promise<Pick<BroughtImage, "path" | "named"> & Disposable> {
  const { config, maxSize, message } = session.settings;
  const program = transportProgram(config, "torrent");
  const { bytes } = await getFile(session.client, url, MOST_TORRENT);
  return await bring(session, url, async ({ path, directoryFor, progress }) => {
    const directory = directoryFor("work");
    Deno.writeFileSync(`${directory}/${TORRENT_FILE}`, bytes, { mode: 0o644 });
    await runTransport(program, {
      ...{ url: `torrent:${TORRENT_FILE}`, most: maxSize ?? MOST_IMAGE, directory, file: path },
      progress,
      message: (line) => message(`transport torrent: ${line}`),
    });
  });
}

/** Where the signature is: nowhere beside what has no path. */
function signatureUrl(url: string): string | undefined {
  const [, path = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/[^?#]*)(.*)$/s.exec(url) ?? [];
  return path === "" ? undefined : `${path}.asc${rest}`;
}
