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
  if (url === undefined || !isPlace(url)) {
    throw new Failure("--url=https://… is needed: where the directory will be on the web");
  }
  const added = flags.all("mirror").map((each) => each.replace(/\/+$/, ""));
  const bad = added.find((each) => !isPlace(each));
  if (bad !== undefined) throw new Failure(`--mirror: ${JSON.stringify(bad)} is no https URL`);
  const mirrors = [...new Set([...site?.mirrors ?? [], ...added])];
  const secrets = (flags.text("decryption-keys") ?? site?.secrets)?.replace(/\/+$/, "");
  if (secrets !== undefined && (!isPlace(secrets) || !secrets.startsWith("https:"))) {
    throw new Failure(`--decryption-keys: ${JSON.stringify(secrets)} is no https URL`);
  }
  const tracker = flags.text("tracker");
  if (tracker !== undefined && !/^(https?|udp):\/\/[^\s"<>]+$/.test(tracker)) {
    throw new Failure(`--tracker: ${JSON.stringify(tracker)} is no http, https or udp URL`);
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
    const image = await publishImage(directory, {
      ...{ path, named, keys, overwrite },
      urls: [url, ...mirrors],
      torrent: flags.on("torrent") || tracker !== undefined ? { tracker } : undefined,
    });
    images.push(image, ...flags.on("latest") ? [publishLatest(directory, image)] : []);
  }
  const others = (site?.images ?? []).filter(({ file }) =>
    !images.some((each) => each.file === file)
  );
  replaceFile(
    `${directory}/pubkeys.asc`,
    keys.map(({ armoured }) => armoured.trim()).join("\n") + "\n",
  );
  const place = { url, mirrors, ...secrets !== undefined && { secrets } };
  writeSite(directory, { ...place, images: [...others, ...images] }, keys.length > 0);
  for (const { file } of images) printLine(`${url}/${file}`);
  return 0;
}

/** Whether a text is the URL of a directory, that can stand in a page. */
const isPlace = (url: string): boolean => /^https?:\/\/[^\s"<>]+$/.test(url) && URL.canParse(url);
