/** Files of a directory for HTTP: with ranges and ETags (RFC 9110), and nothing outside the directory. */

import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
} from "../linux/constants.ts";
import { openHow } from "../linux/files.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";

/** Answers a request. */
export function answer(directory: string, request: Request): Response {
  const head = { "accept-ranges": "bytes", "x-content-type-options": "nosniff" };
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("only GET and HEAD\n", { status: 405, headers: { allow: "GET, HEAD" } });
  }
  const url = new URL(request.url);
  // Names have no pages of their own: that of the directory says where their images are.
  const path = url.searchParams.has("ac-discovery") ? "/index.html" : url.pathname;
  const found = fileOf(directory, path);
  if (found === undefined) return new Response("404 Not Found\n", { status: 404 });
  using file = found;
  const { size, mtime, ino } = file.statSync();
  const etag = `"${ino?.toString(36)}-${size.toString(36)}-${mtime?.getTime().toString(36)}"`;
  const headers: Record<string, string> = {
    ...head,
    etag,
    "content-type": typeOf(file.path),
    ...mtime === null ? {} : { "last-modified": mtime.toUTCString() },
  };
  const known = request.headers.get("if-none-match")?.split(",").map((each) => each.trim());
  if (known?.some((each) => each === "*" || each.replace(/^W\//, "") === etag)) {
    return new Response(null, { status: 304, headers });
  }
  const ifRange = request.headers.get("if-range");
  const wanted = ifRange === null || ifRange === etag ? request.headers.get("range") : null;
  const range = rangeOf(wanted, size);
  if (range === "unsatisfiable") {
    return new Response(null, {
      status: 416,
      headers: { ...head, "content-range": `bytes */${size}` },
    });
  }
  const [from, to] = range ?? [0, size];
  headers["content-length"] = `${to - from}`;
  if (range !== undefined) headers["content-range"] = `bytes ${from}-${to - 1}/${size}`;
  const body = request.method === "HEAD" ? null : bytesOf(file.take(), from, to);
  return new Response(body, { status: range === undefined ? 200 : 206, headers });
}

/** An open file, which is closed unless it is taken. */
class OpenFile implements Disposable {
  #taken = false;

  constructor(readonly file: Deno.FsFile, readonly path: string) {}

  statSync(): Deno.FileInfo {
    return this.file.statSync();
  }

  take(): Deno.FsFile {
    this.#taken = true;
    return this.file;
  }

  [Symbol.dispose](): void {
    if (!this.#taken) this.file.close();
  }
}

/**
 * The file that a path means; undefined where there is none, it is hidden, or lies elsewhere. The kernel sees to that while it
 * follows links, so nobody who writes to the directory can change one in between; and only files are opened for reading.
 */
function fileOf(directory: string, path: string): OpenFile | undefined {
  const parts = partsOf(path);
  if (parts === undefined) return undefined;
  const name = parts.length === 0 ? "index.html" : parts.join("/");
  const root = trySyscall("openat", AT_FDCWD, cstring(directory), PLACE | O_DIRECTORY, 0);
  if (root < 0) return undefined;
  const fd = trySyscall("openat2", root, cstring(name), BELOW, BELOW.length);
  closeDescriptor(root);
  if (fd < 0) return undefined;
  try {
    const place = `/proc/self/fd/${fd}`;
    return Deno.statSync(place).isFile ? new OpenFile(Deno.openSync(place), name) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  } finally {
    closeDescriptor(fd);
  }
}

const PLACE = O_PATH | O_CLOEXEC;
const BELOW = openHow(PLACE, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

/** The names of a path; undefined where one is hidden, or can't be one. */
function partsOf(path: string): readonly string[] | undefined {
  try {
    const parts = decodeURIComponent(path).split("/").filter((part) => part !== "");
    return parts.some((part) => part.startsWith(".") || part.includes("\0")) ? undefined : parts;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

const typeOf = (path: string): string =>
  path.endsWith(".html")
    ? "text/html; charset=utf-8"
    : path.endsWith(".json")
    ? "application/json"
    : path.endsWith(".asc")
    ? "text/plain; charset=us-ascii"
    : "application/octet-stream";

/** The one range of a header, `[from, to)`; several are more than has to be answered, so all of the file is. */
export function rangeOf(
  header: string | null,
  size: number,
): readonly [from: number, to: number] | "unsatisfiable" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const from = Math.max(0, size - Number(last));
    return Number(last) === 0 || size === 0 ? "unsatisfiable" : [from, size];
  }
  const from = Number(first);
  const to = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < from) return undefined;
  return from >= size ? "unsatisfiable" : [from, to];
}

/** A part of a file as a stream, which closes it. */
function bytesOf(file: Deno.FsFile, from: number, to: number): ReadableStream<Uint8Array> {
  let left = to - from;
  file.seekSync(from, Deno.SeekMode.Start);
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(Math.min(left, 1 << 18));
      const n = left === 0 ? null : await file.read(buffer);
      if (n === null) {
        file.close();
        // A file that has become shorter meanwhile must not look like one that is whole.
        if (left > 0) controller.error(new Error("the file has become shorter"));
        else controller.close();
        return;
      }
      left -= n;
      controller.enqueue(buffer.subarray(0, n));
    },
    cancel: () => file.close(),
  });
}
