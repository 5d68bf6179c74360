/**
 * The files of Debian's packages of services, that images are made of: out of the network, once, and kept in .cache.
 *
 *     deno run -A tests/world/service_packages.ts       gets them
 */
import { debianSources, ownRelease, run } from "../../scripts/vm/debian.ts";

const CACHE = new URL("../../.cache/services", import.meta.url).pathname;

// deno-fmt-ignore
const PACKAGES = [
  "nginx-light", "redis-server", "memcached", "haproxy", "postgresql-15", "etcd-server", "lighttpd", "python3",
  "busybox-static", "dash", "coreutils", "sed", "nodejs", "mariadb-server", "caddy", "apache2-bin", "mosquitto", "php8.2-cli",
];

/** What no service here needs: each would be read for every image. */
// deno-fmt-ignore
const LEFT_OUT = [
  ...["doc", "man", "locale", "info", "i18n"].map((name) => `/usr/share/${name}/*`),
  "/usr/lib/*/libLLVM*", "/usr/lib/*/libz3*", "/usr/lib/postgresql/*/lib/llvmjit*", "/usr/lib/postgresql/*/lib/bitcode/*",
  "/usr/bin/aria_*", "/usr/lib/file/*", "/usr/lib/php/*/fileinfo.so",
];

/** The files of the packages, extracted once and kept. */
export async function packageFiles(): Promise<string> {
  const release = await ownRelease();
  const key = new Uint8Array(
    await crypto.subtle.digest(
      "SHA-256",
      new TextEncoder().encode([release, ...PACKAGES, ...LEFT_OUT].join()),
    ),
  ).toHex().slice(0, 12);
  const path = `${CACHE}-${key}`;
  await Deno.mkdir(`${CACHE}/..`, { recursive: true });
  const there = await Deno.lstat(path).then(() => true, () => false);
  if (there) return path;
  const temporary = await Deno.makeTempDir({ dir: `${CACHE}/..`, prefix: "services-making-" });
  const sources = `${temporary}.list`;
  await Deno.writeTextFile(sources, await debianSources());
  await run(
    "mmdebstrap",
    ...["--quiet", "--mode=root", "--variant=extract", `--include=${PACKAGES.join(",")}`],
    ...[release, temporary, sources],
  );
  // Options of dpkg that exclude paths would lead all files through a filter in Python.
  await run("sh", "-c", `cd "$0" && rm -rf ${LEFT_OUT.map((p) => `.${p}`).join(" ")}`, temporary);
  await Deno.remove(sources);
  await Deno.rename(temporary, path);
  return path;
}

if (import.meta.main) console.log(await packageFiles());
