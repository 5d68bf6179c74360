/** Mirrors of web servers (`mirrors.d`). */
import { type ConfigDirectories, readConfig } from "./config.ts";

/** The URLs at which mirrors have what a URL names, in the order of their files. */
export function configuredMirrors(directories: ConfigDirectories, url: string): readonly string[] {
  const found = readConfig(directories, ["mirrors"]).flatMap(({ key, value }) =>
    typeof value === "object" && "mirrors" in value && url.startsWith(key)
      ? value.mirrors.map((mirror) => mirror + url.slice(key.length))
      : []
  );
  return [...new Set(found)].filter((each) => each !== url);
}
