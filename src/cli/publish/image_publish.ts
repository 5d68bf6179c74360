/** `rkt image publish`: images into a directory that any web server can serve. */
import { parseImageName } from "../../appc/image_name.ts";
import { Failure } from "../../failure.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { exists } from "../../linux/exists.ts";
import { publishImage, publishLatest } from "../../publish/publish_image.ts";
import {
  checkPage,
  lockSite,
  type PublishedImage,
  readSite,
  writeSite,
} from "../../publish/site.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { siteKeys } from "./site_keys.ts";

/** Prints the URLs of the images. */
export default async function imagePublish({ args, flags }: Invocation): Promise<number> {
  const [directory = "", ...paths] = args;
  Deno.mkdirSync(directory, { recursive: true });
  using _lock = lockSite(directory);
  const site = readSite(directory);
  const url = (flags.text("url") ?? site?.url)?.replace(/\/+$/, "");
  if (url === undefined || !/^https?:\/\/[^\s"<>]+$/.test(url) || !URL.canParse(url)) {
    throw new Failure("--url=https://… is needed: where the directory will be on the web");
  }
  checkPage(directory);
  const before = `${directory}/pubkeys.asc`;
  const keys = await siteKeys(exists(before) ? [before] : [], flags);
  if (keys.length === 0) {
    throw new Failure(
      "--public-key=FILE is needed: the key that has signed (gpg --armor --export)",
    );
  }
  const name = flags.text("name");
  if (name !== undefined && paths.length > 1) throw new Failure("--name is for one image");
  const named = name === undefined ? undefined : parseImageName(name);
  const images: PublishedImage[] = [];
  for (const path of paths) {
    const overwrite = flags.on("overwrite");
    const image = await publishImage(directory, { path, named, keys, overwrite });
    images.push(image, ...flags.on("latest") ? [publishLatest(directory, image)] : []);
  }
  const others = (site?.images ?? []).filter(({ file }) =>
    !images.some((each) => each.file === file)
  );
  replaceFile(
    `${directory}/pubkeys.asc`,
    keys.map(({ armoured }) => armoured.trim()).join("\n") + "\n",
  );
  writeSite(directory, { url, images: [...others, ...images] }, keys.length > 0);
  for (const { file } of images) printLine(`${url}/${file}`);
  return 0;
}
