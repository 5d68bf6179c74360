/** Turns global flags back into words: for commands of rkt that are written to a file and run later, in any directory. */
import { absolute } from "../../start/absolute.ts";
import { GLOBAL_FLAGS, type GlobalFlags } from "./global_flags.ts";

const defaultOf = (name: string): string | undefined =>
  GLOBAL_FLAGS.find((flag) => flag.name === name)?.default;

/** The words for these flags: without flags that have their default, and with absolute paths. */
export function globalWords(global: GlobalFlags): readonly string[] {
  const paths = {
    "dir": global.dir,
    "system-config": global.systemConfig,
    "local-config": global.localConfig,
    "user-config": global.userConfig,
    "ca-file": global.caFile,
  };
  const words = Object.entries(paths).flatMap(([name, path]) =>
    path === undefined || path === defaultOf(name) ? [] : [`--${name}=${absolute(path)}`]
  );
  const options = [...global.insecureOptions];
  return [
    ...words,
    ...options.length > 0 ? [`--insecure-options=${options.join(",")}`] : [],
    ...global.trustKeysFromHttps ? ["--trust-keys-from-https"] : [],
    ...global.maxSize !== undefined ? [`--max-size=${global.maxSize}`] : [],
    ...global.debug ? ["--debug"] : [],
  ];
}
