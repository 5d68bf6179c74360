/**
 * Loads the modules that lie in the packed executable itself (mapped_modules.ts). The packer takes this
 * function's text, so it refers to nothing outside itself.
 */

/** Of each mapped module: where its text is, and the modules of Node that it and its imports want. */
export type ModuleTable = Readonly<
  Record<string, readonly [address: number, nodeModules: readonly string[]]>
>;

type Namespace = Readonly<Record<string, unknown>>;

/** In place of `import()`. */
type Load = (name: string) => Promise<Namespace>;

/** A mapped module's text is an expression with such a value. */
type Body = (
  require: (name: string) => Namespace,
  module: { exports: Namespace },
  load: Load,
) => void;

/**
 * What stands in for `import()` in the entry and in the mapped modules. A module runs after those that it
 * imports; its exports are there before it runs, as getters, so that modules may import each other.
 *
 * @param entry the entry's own exports, under its name
 * @param native `import()` of a module that is not mapped
 */
export function moduleLoader(
  table: ModuleTable,
  entry: Readonly<Record<string, Namespace>>,
  native: Load,
): Load {
  const loaded = new Map(
    Object.entries(entry).map(([name, exports]) => [name, { exports }]),
  );
  const require = (name: string): Namespace => {
    const known = loaded.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    loaded.set(name, module);
    try {
      const address = Deno.UnsafePointer.create(BigInt(table[name]?.[0] ?? 0));
      if (address === null) throw new Error(`${name} is not mapped`);
      // `eval`, not `Function`: that reads the text twice.
      const body: Body = (0, eval)(Deno.UnsafePointerView.getCString(address));
      body(require, module, load);
    } catch (error) {
      loaded.delete(name);
      throw error;
    }
    return module.exports;
  };
  const load: Load = async (name) => {
    if (!loaded.has(name) && !(name in table)) return await native(name);
    // Who imports goes on first, as with `import()`: the entry may not have all its values yet.
    await undefined;
    for (const wanted of table[name]?.[1] ?? []) {
      // esbuild's code looks for a default export where __esModule is set.
      const exports = { __esModule: true, ...await native(wanted) };
      loaded.set(wanted, { exports });
    }
    return require(name);
  };
  return load;
}
