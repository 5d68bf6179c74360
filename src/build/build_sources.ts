/** The root file system of an image to be, from wherever it comes. */
import { fileSource } from "../aci/bytes/source.ts";
import { Failure } from "../failure.ts";
import { packageFiles, packagesIn } from "./debian_package.ts";
import { programFiles } from "./program_files.ts";
import { Stage } from "./stage.ts";

/** Where the files of an image come from. */
export interface BuildSources {
  /** A directory, an archive of tar, or `-` for one on standard input. */
  readonly source?: string | undefined;
  /** A program, with what it needs. */
  readonly binary?: string | undefined;
  /** A directory of Debian packages. */
  readonly packages?: string | undefined;
  /** Files and directories, each `SOURCE:DESTINATION`. */
  readonly copies: readonly string[];
}

/** Where a program of {@linkcode BuildSources.binary} is in the image. */
export const programPath = (binary: string): string =>
  `/bin/${binary.slice(binary.lastIndexOf("/") + 1)}`;

/**
 * Whether the files are those of a directory, as it is: then it is read in its place.
 *
 * @throws {Failure} where the source is not there
 */
export function isDirectoryAlone({ source, copies }: BuildSources): boolean {
  return source !== undefined && source !== "-" && copies.length === 0 && isDirectory(source);
}

/**
 * Puts all files in one place.
 *
 * @param beside a directory on the disk that the image goes to
 * @param say takes a line for people
 */
export async function stageSources(
  { source, binary, packages, copies }: BuildSources,
  beside: string,
  say: (line: string) => void,
): Promise<Stage> {
  const stage = new Stage(beside);
  try {
    if (source !== undefined) {
      if (source !== "-" && isDirectory(source)) stage.copy(source, "/");
      else await stage.extract(fileSource(source === "-" ? "/dev/stdin" : source));
    }
    for (const path of packages === undefined ? [] : packagesIn(packages)) {
      await stage.extract(packageFiles(path));
      say(`with ${path}`);
    }
    if (binary !== undefined) stageProgram(stage, binary, say);
    for (const [from, to] of copies.map(copyOf)) stage.copy(from, to);
    stage.finish();
    return stage;
  } catch (error) {
    stage[Symbol.dispose]();
    throw error;
  }
}

function stageProgram(stage: Stage, binary: string, say: (line: string) => void): void {
  const { files, made } = programFiles(binary);
  stage.copy(binary, programPath(binary));
  for (const path of files) {
    stage.copy(path, path);
    say(`with ${path}`);
  }
  for (const [path, text] of made) {
    say(`with ${path}, made`);
    stage.write(path, text);
  }
}

/** `SOURCE:DESTINATION`; the destination is absolute, so a colon in the source does no harm. */
function copyOf(text: string): readonly [from: string, to: string] {
  const [, from = "", to = ""] = /^(.+):(\/.*)$/s.exec(text) ?? [];
  if (from === "") {
    throw new Failure(`--copy: ${JSON.stringify(text)} is not SOURCE:/PATH/IN/THE/IMAGE`);
  }
  return [from, to];
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "no such file or directory" : String(error);
    throw new Failure(`${path}: ${why}`, 254, { cause: error });
  }
}

/**
 * The time of `SOURCE_DATE_EPOCH`, in seconds since 1970: nothing in an image is younger
 * (reproducible-builds.org/specs/source-date-epoch).
 *
 * @param text the variable's value
 */
export function latestTime(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,11}$/.test(text)) {
    throw new Failure(`SOURCE_DATE_EPOCH=${text}: not a number of seconds since 1970`);
  }
  return Number(text);
}
