/**
 * Big modules that a start rarely needs stay out of the archive, which Deno reads whole at every start (3 ms a
 * megabyte). Their text stays in the mapped segment, where it costs nothing, as a function body; in
 * the archive stands a module of the same name and exports that evaluates it when it is first
 * imported.
 *
 * This is for libraries (openpgp, parse5): it wants modules without top-level `await` and without
 * `import()`, and an export has the value that it has when the module has run.
 */
import * as esbuild from "esbuild";
import type { EszipModule } from "./eszip.ts";

/** A module whose text is mapped. */
export interface MappedModule {
  readonly specifier: string;
  /** The text, as the body of a function. */
  readonly text: Uint8Array<ArrayBuffer>;
  /** The source of the module that stands in for it, when the text lies at an address. */
  standIn(address: number): string;
}

/** The import and export statements that esbuild writes in a minified module of a bundle. */
const IMPORT = /(?:^|[;}\n])\s*import\s*(?:[\w$*{}\s,]+?from\s*)?"([^"\n]+)"/g;
const EXPORTS = /(?:^|[;}\n/])\s*export\s*\{([\w$\s,]*)\};?\s*$/;

/** What a function body can't have: `import()`, and of `import.meta` all but its URL. */
const UNFIT = /\bimport\s*(?:\(|\.\s*meta(?!\.url\b))/;

/** The names under which a minified module exports: the last word of each `local as name`. */
function exportedNames(source: string): string[] | undefined {
  const list = EXPORTS.exec(source)?.[1];
  if (list === undefined || source.match(/(?:^|[;}\n/])\s*export\s*[*{]/g)?.length !== 1) {
    return undefined;
  }
  return list.split(",").map((item) => item.trim().split(/\s+/).at(-1) ?? "");
}

/** A module as a function body, or undefined where that can't be (top-level `await`). */
async function asFunctionBody(source: string): Promise<string | undefined> {
  try {
    const { code } = await esbuild.transform(source, {
      define: { "import.meta.url": "moduleUrl" },
      format: "cjs",
      logLevel: "silent",
      minify: true,
      target: "esnext",
      charset: "utf8",
    });
    return code;
  } catch {
    return undefined;
  }
}

/** Gives a module the form of a mapped one; undefined when it has not what that wants. */
export async function mappedModule(module: EszipModule): Promise<MappedModule | undefined> {
  const source = new TextDecoder().decode(module.source);
  const names = exportedNames(source);
  if (names === undefined || UNFIT.test(source)) return undefined;
  const body = await asFunctionBody(source);
  if (body === undefined) return undefined;
  const imports = [...new Set(Array.from(source.matchAll(IMPORT), (match) => match[1]))];
  // Modules are strict, functions are where they say so.
  const text = new TextEncoder().encode(
    `"use strict";${body}\n//# sourceURL=${module.specifier}\n`,
  );
  return {
    specifier: module.specifier,
    text,
    standIn: (address) => standIn(imports, names, address, text.length),
  };
}

function standIn(
  imports: readonly string[],
  names: readonly string[],
  address: number,
  size: number,
): string {
  // A module of Node has a default export, which esbuild's code looks for where __esModule is set.
  const modules = imports.map((specifier, index) => {
    const value = specifier.startsWith("node:") ? `{__esModule:true,...i${index}}` : `i${index}`;
    return `${JSON.stringify(specifier)}:${value}`;
  });
  return [
    ...imports.map((specifier, index) => `import*as i${index} from${JSON.stringify(specifier)};`),
    `const text=new Uint8Array(${size}),module={exports:{}},modules={${modules.join(",")}};`,
    `Deno.UnsafePointerView.copyInto(Deno.UnsafePointer.create(${address}n),text);`,
    `new Function("module","exports","require","moduleUrl",new TextDecoder().decode(text))`,
    `(module,module.exports,name=>modules[name],import.meta.url);`,
    ...names.map((name, index) => `const e${index}=module.exports[${JSON.stringify(name)}];`),
    `export{${names.map((name, index) => `e${index} as ${name}`).join(",")}};`,
  ].join("\n");
}
