import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  type Bundle,
  bundle,
  ENTRY_LIMIT,
  hotChunks,
  hotPathFaults,
  staticImports,
} from "./bundle.ts";

function chunk(name: string, text: string) {
  return { name, source: new TextEncoder().encode(text) };
}

async function bundled(files: Record<string, string>): Promise<Bundle> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-bundle-test-" });
  try {
    await Deno.writeTextFile(`${dir}/deno.json`, "{}");
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${dir}/${name}`, text);
    }
    return await bundle(`${dir}/main.ts`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** What a bundle prints when it is run. */
async function said(made: Bundle): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-bundle-test-" });
  try {
    for (const { name, source } of made) await Deno.writeFile(`${dir}/${name}`, source);
    const args = ["run", "--no-config", `${dir}/main.js`];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("staticImports() finds every form of a static import and no dynamic one", () => {
  const source = `import{a as b,c}from"./1.js";import"./2.js";import d from"./3.js";` +
    `import*as e from"node:fs";import f,{g}from"./4.js";import{h as h2}from"./5.js";` +
    `var i=await import("./no.js"),j='"./no2.js"';export*from"./6.js";export{k as l}from"./7.js";` +
    `export{i as m};var n="./no3.js";`;
  const all = ["./1.js", "./2.js", "./3.js", "node:fs", "./4.js", "./5.js", "./6.js", "./7.js"];
  deepStrictEqual(staticImports(source), all);
});

Deno.test("hotChunks() has the run command and what it imports, not what it loads lazily", async () => {
  const made = await bundled({
    "main.ts": `if (Deno.args[0] === "run") (await import("./run.ts")).run();
      else (await import("./fetch.ts")).fetch();`,
    "run.ts": `import { store } from "./store.ts";
      export async function run() { store(); (await import("./lazy.ts")).lazy(); }`,
    "fetch.ts": `import { store } from "./store.ts"; export function fetch() { store(); }`,
    "store.ts": `export function store() { console.log("store"); }`,
    "lazy.ts": `import { gunzipSync } from "node:zlib";
      export function lazy() { console.log(gunzipSync); }`,
  });
  const names = hotChunks(made).map((c) => c.name.replace(/-[A-Z0-9]{8}/, "")).toSorted();
  deepStrictEqual(names, ["chunk.js", "main.js", "run.js"]);
  strictEqual(made[0].name, "main.js");
  deepStrictEqual(hotPathFaults(made), []);
});

Deno.test("hotPathFaults() names node: modules on the hot path, except sqlite", async () => {
  const made = await bundled({
    "main.ts": `(await import("./run.ts")).run();`,
    "run.ts": `import { gunzipSync } from "node:zlib"; import { DatabaseSync } from "node:sqlite";
      export function run() { console.log(gunzipSync, DatabaseSync); }`,
  });
  const faults = hotPathFaults(made).map((fault) => fault.replace(/-[A-Z0-9]{8}/, ""));
  deepStrictEqual(faults, ["run.js imports node:zlib: import it lazily"]);
});

Deno.test("hotPathFaults() names CommonJS on the hot path", async () => {
  const made = await bundled({
    "main.ts": `import x from "./x.cjs"; console.log(x);`,
    "x.cjs": `module.exports = { x: 1 };`,
  });
  deepStrictEqual(hotPathFaults(made), ["main.js contains a CommonJS module: import it lazily"]);
});

Deno.test("hotPathFaults() refuses an entry that is too big", () => {
  const made: Bundle = [chunk("main.js", `"${"x".repeat(ENTRY_LIMIT)}"`)];
  strictEqual(hotPathFaults(made).length, 1);
});

Deno.test("bundle() keeps the end of a resource that is used only once", async () => {
  const made = await bundled({
    "main.ts": `function open() {
        return { write() { console.log("write"); }, [Symbol.dispose]() { console.log("close"); } };
      }
      { using file = open(); file.write(); }
      console.log("after");`,
  });
  strictEqual(await said(made), "write\nclose\nafter\n");
});

Deno.test("bundle() keeps the CommonJS of one command out of the others", async () => {
  const made = await bundled({
    "main.ts": `if (Deno.args[0] === "run") (await import("./run.ts")).run();
      else (await import("./fetch.ts")).fetch();`,
    "run.ts": `export function run() { console.log("run"); }`,
    "fetch.ts": `import x from "./x.cjs"; export function fetch() { console.log(x); }`,
    "x.cjs": `module.exports = { x: require("node:os").EOL === "\\n" };`,
  });
  deepStrictEqual(hotPathFaults(made), []);
  strictEqual(made.filter((chunk) => chunk.commonJs).length, 1);
  strictEqual(await said(made), "{ x: true }\n");
});
