/**
 * All modules but the entry stay out of the archive, which Deno reads whole at every start, and past
 * its module loader. Their texts lie in the mapped segment, where what is not needed costs nothing,
 * each as a function that is evaluated when it is first imported. The table of them and the loader
 * (module_loader.ts) lie there too: the entry has but a few words more, which find the loader.
 *
 * This wants modules without top-level `await`, and `import()` of names only.
 */
import * as esbuild from "esbuild";
import { Failure } from "../../src/failure.ts";
import { concat, type EszipModule } from "./eszip.ts";
import { moduleLoader, type ModuleTable } from "./module_loader.ts";

/** The modules of a program, to be placed. */
export interface MappedModules {
  /** The entry and what has to lie at an address. */
  place(address: number): { readonly entry: EszipModule; readonly bytes: Uint8Array };
}

interface Body {
  readonly name: string;
  /** Source of a function, see `Body` in module_loader.ts; a string of C. */
  readonly text: Uint8Array;
  readonly nodeModules: readonly string[];
}

/** The statement by which a minified module exports, at its end. */
const EXPORTS = /(?<![\w$.])export\{([^{}]*)\};?\s*$/;

/** Stands in for `import`. In no minified module is a name as long as that. */
const LOAD = "$load", LOADER = "$loader", NAME = "$name";

/** `import()` as esbuild writes it, of a name; of anything. */
const LAZY_IMPORT = /(?<![\w$.])import\("([^"\\]+)"\)/g;
const ANY_LAZY_IMPORT = /(?<![\w$.])import\s*\(/;

/** The static imports of a minified module; what becomes of them in a function. */
const STATIC_IMPORT = /(?<![\w$.])(?:from|import)"([^"\n]+)"/g;
const REQUIRED = /(?<![\w$.])require\("([^"\\]+)"\)/g;

/**
 * Makes functions of all modules but the entry. Names are relative to where the entry is: `./run.js`.
 *
 * @throws {Failure} when a module has what a function can't have
 */
export async function mappedModules(
  entry: EszipModule,
  others: readonly EszipModule[],
): Promise<MappedModules> {
  const base = entry.specifier.slice(0, entry.specifier.lastIndexOf("/") + 1);
  const relative = ({ specifier }: EszipModule) => `./${specifier.slice(base.length)}`;
  const early = matches(sourceOf(entry), STATIC_IMPORT)
    .find((name) => others.some((module) => relative(module) === name));
  if (early !== undefined) {
    throw new Failure(`build: ${relative(entry)} imports ${early} statically: it can't be mapped`);
  }
  const sources = new Map(
    await Promise.all(others.map(async (module) => {
      return [relative(module), await asFunction(module, relative(module))] as const;
    })),
  );
  const bodies = Array.from(sources, ([name, source]): Body => ({
    name,
    text: new TextEncoder().encode(`${source}\0`),
    nodeModules: nodeModules(sources, name),
  }));
  const loader = await minified(moduleLoader.toString());
  return {
    place(address) {
      const table: Record<string, ModuleTable[string]> = {};
      let end = address;
      for (const { name, text, nodeModules } of bodies) {
        table[name] = [end, nodeModules];
        end += text.length;
      }
      const text = `(own,native)=>(${loader})(${JSON.stringify(table)},own,native)\0`;
      return {
        entry: withLoader(entry, relative(entry), end),
        bytes: concat([...bodies.map((body) => body.text), new TextEncoder().encode(text)]),
      };
    },
  };
}

function sourceOf(module: EszipModule): string {
  return new TextDecoder().decode(module.source);
}

function matches(source: string, pattern: RegExp): string[] {
  return Array.from(source.matchAll(pattern), (match) => match[1] ?? "");
}

/** The modules of Node that a module and what it imports statically want. */
function nodeModules(sources: ReadonlyMap<string, string>, from: string): string[] {
  const found = new Set([from]);
  for (const name of found) {
    matches(sources.get(name) ?? "", REQUIRED).forEach((other) => found.add(other));
  }
  return [...found].filter((name) => name.startsWith("node:"));
}

/** A module as the source of a function, an expression. */
async function asFunction(module: EszipModule, name: string): Promise<string> {
  // With an export it is a module, however little is in it.
  const { code, warnings } = await esbuild.transform(`${sourceOf(module)}\nexport {};`, {
    // What a module has not.
    define: {
      "import.meta.main": "false",
      "import.meta.url": JSON.stringify(module.specifier),
      exports: "undefined",
      module: "undefined",
      require: "undefined",
    },
    format: "cjs",
    logLevel: "silent",
    minify: true,
    target: "esnext",
  }).catch((error: esbuild.TransformFailure) => ({ code: "", warnings: error.errors }));
  const [warning] = warnings;
  if (warning !== undefined) throw new Failure(`build: ${name} can't be mapped: ${warning.text}`);
  if (code.includes("\0")) throw new Failure(`build: ${name} can't be mapped: it contains NUL`);
  const body = withLoad(code.trimEnd(), name);
  return `(function(require,module,${LOAD}){"use strict";${body}})\n` +
    `//# sourceURL=${module.specifier}`;
}

/** The source with the loader in place of `import()`. */
function withLoad(source: string, name: string): string {
  if ([LOAD, LOADER, NAME].some((word) => source.includes(word))) {
    throw new Failure(`build: ${name} can't be mapped: it contains a name of the loader`);
  }
  const code = source.replaceAll(LAZY_IMPORT, (_, target) => `${LOAD}(${JSON.stringify(target)})`);
  if (ANY_LAZY_IMPORT.test(code)) {
    throw new Failure(`build: ${name} can't be mapped: it imports by a name not known before`);
  }
  return code;
}

/**
 * The entry with the few words that find the loader when something is imported lazily. They hand its
 * exports over, as getters; no module of the archive imports them.
 */
function withLoader(entry: EszipModule, name: string, loader: number): EszipModule {
  const source = withLoad(sourceOf(entry), name);
  const exports = (EXPORTS.exec(source)?.[1] ?? "").split(",").filter((item) => item !== "")
    .map((item) => item.trim().split(/\s+as\s+/))
    .map(([local, exported = local]) => `get ${exported}(){return ${local}}`);
  const text = [
    `var ${LOADER};function ${LOAD}(${NAME}){return(${LOADER}??=(0,eval)(`,
    `Deno.UnsafePointerView.getCString(Deno.UnsafePointer.create(${loader}n)))`,
    `({${JSON.stringify(name)}:{${exports}}},n=>import(n)))(${NAME})}`,
    source.replace(EXPORTS, ""),
  ];
  return { specifier: entry.specifier, source: new TextEncoder().encode(text.join("")) };
}

/** A function's source with less text. */
async function minified(source: string): Promise<string> {
  // The value of an assignment is wanted; that of a mere expression would be left out.
  const { code } = await esbuild.transform(`x=${source}`, { minify: true, target: "esnext" });
  return code.trim().replace(/^x=|;$/g, "");
}
