/**
 * Merges the many small chunks of a bundle (`deno bundle` makes one for each set of modules that two
 * others share) into the few that chunk_groups.ts asks for. Every module stays in one chunk only.
 *
 * The entry may not have a top-level `await` for something that it imports lazily: that is in a chunk
 * which imports the entry's chunk and waits for its end.
 */
import { rollup } from "rollup";
import { chunkGroups, type Group, type Module } from "./chunk_groups.ts";

/** A file of the bundle. */
export interface Chunk {
  /** Its name, like `run-4XAWJ2YB.js`. */
  readonly name: string;
  readonly source: Uint8Array<ArrayBuffer>;
  /** It contains a CommonJS module. */
  readonly commonJs?: boolean;
  /** What it imports statically: names of chunks, `node:` modules. */
  readonly imports?: readonly string[];
  /** It is loaded on the way to a hot command. */
  readonly hot?: boolean;
}

/**
 * The same program in few chunks. The entry's and the hot commands' keep their names.
 *
 * @param hot names of commands: `run` is a chunk called `run-4XAWJ2YB.js`
 * @param shortcuts names of modules that the entry loads in place of a command
 * @param parts names of modules that hot commands load lazily, but whenever they run
 */
export async function merged(
  chunks: readonly Chunk[],
  entryName: string,
  hot: readonly string[],
  shortcuts: readonly string[] = [],
  parts: readonly string[] = [],
): Promise<Chunk[]> {
  const sources = new Map(chunks.map((chunk) => [chunk.name, chunk]));
  await using graph = await rollup({
    input: entryName,
    external: /^node:/,
    logLevel: "silent",
    // Deno's bundler has left out what nobody uses. Rollup would take a parameter for a constant that is one in all calls
    // which it sees, and does not see those through `const { f } = await import(…)`.
    treeshake: false,
    plugins: [{
      name: "chunks",
      resolveId: (specifier) => specifier.replace(/^\.\//, ""),
      load: (name) => new TextDecoder().decode(sources.get(name)?.source),
    }],
  });
  const grouped = (all: readonly Module[]) => {
    const modules = all.filter(({ name }) => sources.has(name));
    return modules.filter(({ name }) => name === entryName)
      .flatMap((entry) => chunkGroups(modules, entry, hot, shortcuts, parts));
  };
  let groups: readonly Group[] = [];
  const { output } = await graph.generate({
    format: "es",
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    manualChunks(name, { getModuleIds, getModuleInfo }) {
      if (groups.length === 0) {
        groups = grouped(
          Array.from(getModuleIds(), (id): Module => {
            const { importedIds = [], dynamicallyImportedIds = [], code } = getModuleInfo(id) ?? {};
            return {
              name: id,
              imports: importedIds,
              lazyImports: dynamicallyImportedIds,
              size: code?.length ?? 0,
              commonJs: sources.get(id)?.commonJs ?? false,
            };
          }),
        );
      }
      const group = groups.find(({ modules }) => modules.some((module) => module.name === name));
      return group?.modules[0]?.name.replace(/\.js$/, "");
    },
  });
  const hotNames = groups.filter((group) => group.hot).map((group) => group.modules[0]?.name);
  return output.filter((file) => file.type === "chunk").map((chunk) => ({
    name: chunk.fileName,
    source: new TextEncoder().encode(chunk.code),
    commonJs: chunk.moduleIds.some((id) => sources.get(id)?.commonJs),
    imports: chunk.imports,
    hot: hotNames.includes(chunk.fileName),
  }));
}
