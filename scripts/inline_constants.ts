/**
 * Puts numbers in place of the names of constants. esbuild does so within a file only; here they come from others, and what is
 * imported and exported between chunks would be a tenth of what `rkt run` loads.
 *
 * A constant is a top-level variable in capitals that is a number and is not assigned again. The source is what `deno bundle`
 * writes: one statement a line, one name a line in the lists of imports and exports.
 */
/** A chunk by its name, and its text. */
export type Texts = ReadonlyMap<string, string>;

/** Chunks without their constants. */
export interface Inlined {
  readonly texts: Texts;
  /** What stands in place of names that no chunk defines any more, as esbuild's `define` wants it. */
  readonly define: Readonly<Record<string, string>>;
}

const CONSTANT = /^var ([A-Z][A-Z0-9_]*) = (-?\d[\d.]*(?:e\+?\d+)?);\n/gm;
const EXPORTS = /^export \{\n([^}]*)\};/m;
const IMPORTS = /^import \{\n([^}]*)\} from "\.\/([^"]+)";/gm;
/** The object of `import * as name`, all of whose members are names in capitals. */
const NAMESPACE =
  /^var (\w+_exports) = \{\};\n__export\(\1, \{\n((?: {2}[A-Z][A-Z0-9_]*: \(\) => [A-Z][A-Z0-9_]*,?\n)+)\}\);\n/gm;

/** A name of a list of imports or exports: how it is called on the left and on the right of `as`. */
const named = (item: string): readonly [string, string] => {
  const [left = "", right = left] = item.trim().replace(/,$/, "").split(" as ");
  return [left, right];
};

const items = (list: string): readonly string[] => list.split("\n").filter((line) => line.trim());

/** A list of imports or exports without some of its names; its last name has no comma. */
const listOf = (kept: readonly string[]): string =>
  kept.map((line) => line.replace(/,$/, "")).join(",\n") + (kept.length > 0 ? "\n" : "");

/** How often a name is assigned in a text, its declaration included. */
const assignments = (text: string, name: string): number =>
  Array.from(text.matchAll(new RegExp(`(?<![\\w$.])${name} (?:[-+*/|&^]|<<|>>)?= `, "g"))).length;

/** What a chunk exports: its own name for it, by the name that others import. */
const exportsOf = (text: string): ReadonlyMap<string, string> =>
  new Map(items(EXPORTS.exec(text)?.[1] ?? "").map(named).map(([local, name]) => [name, local]));

/** A chunk as far as its constants go. */
interface Read {
  readonly text: string;
  readonly exported: ReadonlyMap<string, string>;
  /** Constants that others can see, by their names in the chunk. */
  readonly values: Map<string, string>;
}

function read(text: string): Read {
  const exported = exportsOf(text);
  const seen = new Set(exported.values());
  for (const [, , members = ""] of text.matchAll(NAMESPACE)) {
    for (const [, local] of membersOf(members)) seen.add(local);
  }
  const values = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(CONSTANT)) {
    if (seen.has(name) && assignments(text, name) === 1) values.set(name, value);
  }
  return { text, exported, values };
}

/** The members of a namespace, and their names in the chunk. */
const membersOf = (list: string): readonly (readonly [string, string])[] =>
  items(list).map((line) => {
    const [member = "", local = ""] = line.trim().replace(/,$/, "").split(": () => ");
    return [member, local] as const;
  });

/** The namespaces of a chunk that have constants only, each as the text of an object. */
function namespacesOf({ text, values }: Read): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", list = ""] of text.matchAll(NAMESPACE)) {
    const members = membersOf(list);
    if (!members.every(([, local]) => values.has(local))) continue;
    const object = members.map(([member, local]) => `${member}: ${values.get(local)}`);
    found.set(name, `{ ${object.join(", ")} }`);
  }
  return found;
}

type Chunks = ReadonlyMap<string, Read>;

/** What a chunk imports of another one: the chunk that has it, its name there, its name here. */
function* importsOf({ text }: Read, chunks: Chunks) {
  for (const [, list = "", from = ""] of text.matchAll(IMPORTS)) {
    const source = chunks.get(from);
    for (const [name, local] of items(list).map(named)) {
      const own = source?.exported.get(name);
      if (source !== undefined && own !== undefined) yield { source, own, local };
    }
  }
}

/** The chunks that are loaded by `import()`: whoever does wants their exports, constants too. */
const lazyTargets = (texts: Texts): ReadonlySet<string> =>
  new Set(
    [...texts.values()].flatMap((text) =>
      Array.from(text.matchAll(/\bimport\("\.\/([^"]+)"\)/g), ([, name = ""]) => name)
    ),
  );

/** Leaves the constants that have to stay exported: those of chunks that are loaded lazily, and those that are passed on. */
function leaveExported(texts: Texts, chunks: Chunks): void {
  for (const name of lazyTargets(texts)) {
    const chunk = chunks.get(name);
    for (const local of chunk?.exported.values() ?? []) chunk?.values.delete(local);
  }
  for (const chunk of chunks.values()) {
    const passedOn = new Set(chunk.exported.values());
    for (const { source, own, local } of importsOf(chunk, chunks)) {
      if (passedOn.has(local)) source.values.delete(own);
    }
  }
}

/** Names of constants in all chunks that have them, with their values; what two use for two values is no constant any more. */
function defined(chunks: Chunks): Record<string, string> {
  const users = new Map<string, { readonly source: Read; readonly own: string }[]>();
  const note = (local: string, source: Read, own: string) => {
    if (source.values.has(own)) users.set(local, [...users.get(local) ?? [], { source, own }]);
  };
  for (const chunk of chunks.values()) {
    for (const name of chunk.values.keys()) note(name, chunk, name);
    for (const { source, own, local } of importsOf(chunk, chunks)) note(local, source, own);
  }
  const clashing = [...users.values()].filter((all) =>
    new Set(all.map(({ source, own }) => source.values.get(own))).size > 1
  ).flat();
  for (const { source, own } of clashing) source.values.delete(own);
  return Object.fromEntries(
    Array.from(users, ([local, [first]]) => [local, first?.source.values.get(first.own)] as const)
      .flatMap(([local, value]) => value === undefined ? [] : [[local, value] as const]),
  );
}

/** Takes the constants out of chunks. */
export function inlineConstants(texts: Texts): Inlined {
  const chunks = new Map(Array.from(texts, ([name, text]) => [name, read(text)]));
  leaveExported(texts, chunks);
  const define = defined(chunks);
  const namespaces = new Map(Array.from(chunks.values(), (chunk) => [chunk, namespacesOf(chunk)]));
  const without = (chunk: Read): string => {
    const own = namespaces.get(chunk);
    const objects = Array.from(importsOf(chunk, chunks), ({ source, own, local }) => {
      const object = namespaces.get(source)?.get(own);
      return object === undefined ? "" : `var ${local} = ${object};\n`;
    });
    return objects.join("") + chunk.text
      .replaceAll(IMPORTS, (_, list: string, from: string) => {
        const source = chunks.get(from);
        const kept = items(list).filter((item) => {
          const local = source?.exported.get(named(item)[0]) ?? "";
          return source === undefined ||
            !(source.values.has(local) || namespaces.get(source)?.has(local));
        });
        return kept.length > 0
          ? `import {\n${listOf(kept)}} from "./${from}";`
          : `import "./${from}";`;
      })
      .replace(EXPORTS, (_, list: string) => {
        const kept = items(list).filter((item) => {
          const [local] = named(item);
          return !(chunk.values.has(local) || own?.has(local));
        });
        return kept.length > 0 ? `export {\n${listOf(kept)}};` : "";
      })
      .replaceAll(NAMESPACE, (all, name: string) => {
        const object = own?.get(name);
        if (object === undefined) return all;
        return isUsed(chunk.text, name) ? `var ${name} = ${object};\n` : "";
      })
      .replaceAll(CONSTANT, (all, name: string) => chunk.values.has(name) ? "" : all);
  };
  return { texts: new Map(Array.from(chunks, ([name, chunk]) => [name, without(chunk)])), define };
}

/** Whether a namespace is used where it is made, and not only by others. */
function isUsed(text: string, name: string): boolean {
  // Once where it is declared, once where it is filled.
  return text.replace(EXPORTS, "").split(new RegExp(`\\b${name}\\b`)).length > 3;
}
