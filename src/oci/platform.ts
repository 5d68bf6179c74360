/** Platforms, and which image of an index fits one (image-spec, image-index.md; containerd's platforms). */

/** What an image runs on, in Go's words: `linux`, `amd64`, `arm64`, `arm` with variant `v7`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** A platform as people write it: `linux/arm/v7`. */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...variant === undefined ? [] : [variant]].join("/");
}

/** The variants that a machine of an architecture runs, best first; `""` is an image that names none. */
function variantsFor({ architecture, variant }: Platform): readonly string[] {
  switch (architecture) {
    case "arm64":
      return ["", "v8"];
    case "arm": {
      const own = Number((variant ?? "v7").slice(1));
      const versions = [8, 7, 6, 5].filter((version) => version <= own);
      // An image that names no variant is taken for v7 (containerd).
      return versions.flatMap((version) => version === 7 ? ["v7", ""] : [`v${version}`]);
    }
    case "amd64": {
      const own = Number((variant ?? "v1").slice(1));
      return [...[4, 3, 2].filter((level) => level <= own).map((level) => `v${level}`), "v1", ""];
    }
    default:
      return variant === undefined ? [""] : [variant, ""];
  }
}

/**
 * How well an image's platform fits the wanted one.
 *
 * @returns 0 for the best fit, more for a worse one; `undefined` where it does not run
 */
export function platformRank(wanted: Platform, image: Platform): number | undefined {
  if (image.os !== wanted.os || image.architecture !== wanted.architecture) return undefined;
  const rank = variantsFor(wanted).indexOf(image.variant ?? "");
  return rank < 0 ? undefined : rank;
}

/** The best of candidates; the first one of equals. */
export function bestFit<T extends { readonly platform?: Platform }>(
  candidates: readonly T[],
  wanted: Platform,
): T | undefined {
  let best: { readonly candidate: T; readonly rank: number } | undefined;
  for (const candidate of candidates) {
    const { platform } = candidate;
    const rank = platform === undefined ? undefined : platformRank(wanted, platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { candidate, rank };
  }
  return best?.candidate;
}

/** What x86-64 levels need of the CPU, as /proc/cpuinfo calls it (System V ABI, x86-64 psABI, table 3.1). */
const LEVEL_FLAGS: readonly (readonly [variant: string, flags: readonly string[]])[] = [
  ["v4", ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]],
  ["v3", ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]],
  ["v2", ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]],
];

/** The highest level that a CPU has, each with all below it. */
export function amd64Variant(flags: ReadonlySet<string>): string {
  const has = (level: number) =>
    LEVEL_FLAGS.slice(level).every(([, wanted]) => wanted.every((flag) => flags.has(flag)));
  const level = LEVEL_FLAGS.findIndex((_, index) => has(index));
  return LEVEL_FLAGS[level]?.[0] ?? "v1";
}

/** The platform of this host. */
export function hostPlatform(): Platform {
  if (Deno.build.arch === "aarch64") return { os: "linux", architecture: "arm64", variant: "v8" };
  let info = "";
  try {
    info = Deno.readTextFileSync("/proc/cpuinfo");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const [, flags = ""] = /^flags\s*:\s*(.*)$/m.exec(info) ?? [];
  const variant = amd64Variant(new Set(flags.split(" ")));
  return { os: "linux", architecture: "amd64", variant };
}
