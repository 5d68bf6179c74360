/** `rkt image build`: files and flags to an image. */
import { originalVariable } from "../../linux/environment.ts";
import { Failure } from "../../failure.ts";
import { printNote } from "../../linux/printable.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { manifestText } from "../request/manifest_flags.ts";

/** Builds the image and prints its ID. */
export default async function run({ args, flags }: Invocation): Promise<number> {
  const [binary, packages] = [flags.text("from-binary"), flags.text("from-debs")];
  const named = binary === undefined && packages === undefined;
  const [source] = named ? args : [];
  const [out, ...words] = named ? args.slice(1) : args;
  if ((named && source === undefined) || out === undefined) {
    throw new Failure(named ? "SOURCE and FILE are needed" : "FILE is needed");
  }
  const { isDirectoryAlone, latestTime, programPath, stageSources } = await import(
    "../../build/build_sources.ts"
  );
  const program = binary === undefined || flags.isSet("exec") ? [] : [programPath(binary)];
  const manifest = manifestText(flags, [...program, ...words]);
  const sources = { source, binary, packages, copies: flags.all("copy") };
  const slash = out.lastIndexOf("/");
  using stage = isDirectoryAlone(sources) ? undefined : await stageSources(
    sources,
    slash < 0 ? "." : out.slice(0, slash + 1),
    (line) => printNote(`build: ${line}`),
  );
  const { buildAci } = await import("../../aci/build.ts");
  const compression = flags.text("compression") === "none" ? "none" : "gzip";
  const id = await buildAci({
    rootfs: stage?.path ?? source ?? "",
    out,
    manifest,
    compression,
    overwrite: flags.on("overwrite"),
    owner: ownerOf(flags.text("owner")),
    ...Deno.uid() !== 0 && { mapId: ownAsRoot(Deno.uid() ?? 0, Deno.gid() ?? 0) },
    latest: latestTime(originalVariable("SOURCE_DATE_EPOCH")),
  });
  printLine(id);
  return 0;
}

/** A user's own files are root's in his image: for whoever runs it, his number is anybody's. */
const ownAsRoot = (uid: number, gid: number) => (id: number, kind: "uid" | "gid"): number =>
  id === (kind === "uid" ? uid : gid) ? 0 : id;

/** `UID[:GID]` of `--owner`. The greatest number of 32 bits means nobody, and no file has it. */
function ownerOf(text: string | undefined): { uid: number; gid: number } | undefined {
  if (text === undefined) return undefined;
  const [, first = "", second = first] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text) ?? [];
  const [uid, gid] = [Number(first), Number(second)];
  if (first === "" || Math.max(uid, gid) >= 0xffff_ffff) {
    throw new Failure(`--owner: ${JSON.stringify(text)} is not of the form UID or UID:GID`);
  }
  return { uid, gid };
}
