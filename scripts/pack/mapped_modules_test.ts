import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import * as esbuild from "esbuild";
import { type MappedModules, mappedModules } from "./mapped_modules.ts";
import { pack } from "./pack.ts";

const encode = (text: string) => new TextEncoder().encode(text);

type Sources = Readonly<Record<string, string>>;

function modulesOf(sources: Sources) {
  const [entry, ...others] = Object.entries(sources).map(([name, source]) => {
    return { specifier: `file:///app/${name}`, source: encode(source) };
  });
  ok(entry !== undefined);
  return { entry, others };
}

async function mapped(sources: Sources): Promise<MappedModules> {
  const { entry, others } = modulesOf(sources);
  try {
    return await mappedModules(entry, others);
  } finally {
    await esbuild.stop();
  }
}

/** What a packed program prints; its first module is the entry. */
async function output(sources: Sources): Promise<string[]> {
  const { entry } = modulesOf(sources);
  const deno = await Deno.readFile(Deno.execPath());
  const options = { deno, base: 0x400000, modules: [entry], mapped: await mapped(sources) };
  const file = await Deno.makeTempFile({ prefix: "rkt-mapped-" });
  try {
    await Deno.writeFile(file, pack(options));
    await Deno.chmod(file, 0o755);
    const { stdout, stderr } = await new Deno.Command(file).output();
    strictEqual(new TextDecoder().decode(stderr), "");
    return new TextDecoder().decode(stdout).trim().split("\n");
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("a mapped module runs when it is imported, once, after what it imports", async () => {
  deepStrictEqual(
    await output({
      "main.js":
        `console.log("main");async function f(){const a=await import("./a.js");await import("./a.js");` +
        `console.log(a.b)}f();console.log("goes on");`,
      "a.js": `import{b as c}from"./b.js";console.log("a",c);export{c as b};`,
      "b.js": `var x="ä\\u{1f680}";console.log("b");export{x as b};`,
    }),
    ["main", "goes on", "b", "a ä🚀", "ä🚀"],
  );
});

Deno.test("mapped modules see each other's values as they are, in a circle too", async () => {
  deepStrictEqual(
    await output({
      "main.js":
        `let n=1;function more(){n++}import("./a.js").then(a=>{more();console.log(a.sum(),` +
        `Object.keys(a).join())});export{n as count,more as m};`,
      "a.js": `import{count as c}from"./main.js";import{twice as t}from"./b.js";let own=10;` +
        `function up(){own++}function sum(){t();return c+own}export{sum,up,own as default};`,
      "b.js": `import{up as u,default as o}from"./a.js";import{m}from"./main.js";` +
        `function twice(){u();m();u();console.log(o)}export{twice};`,
    }),
    ["12", "15 default,sum,up"],
  );
});

Deno.test("a mapped module has its own URL, is strict, and is not the main one", async () => {
  deepStrictEqual(
    await output({
      "main.js": `import("./a.js");`,
      "a.js": `console.log(import.meta.url,import.meta.main,this,typeof require,typeof module);` +
        `(function(){console.log(this)})();`,
    }),
    ["file:///app/a.js false undefined undefined undefined", "undefined"],
  );
});

Deno.test("mapped modules import Node's in every way", async () => {
  deepStrictEqual(
    await output({
      "main.js": `import("./a.js");`,
      "a.js": `import{e}from"./b.js";import*as p from"node:path";const q=await_();` +
        `async function await_(){const{sep:s}=await import("node:path");` +
        `console.log(e,p.sep,p.default.sep,s)}export{q};`,
      "b.js": `import o,{EOL as n}from"node:os";var e=o.EOL===n;export{e};`,
    }),
    ["true / / /"],
  );
});

Deno.test("an error of a mapped module rejects its import, each time, and names the module", async () => {
  const lines = await output({
    "main.js":
      `for(const i of[1,2])import("./a.js").catch(e=>console.log(i,e.stack.replace(/\\n +/g," ")));`,
    "a.js": `import"./b.js";`,
    "b.js": `throw new Error("thrown");`,
  });
  strictEqual(lines.length, 2);
  for (const line of lines) {
    match(line, /^[12] Error: thrown at eval \(file:\/\/\/app\/b\.js\b[^)]*:1:\d+\)/);
  }
});

const UNFIT: Readonly<Record<string, Sources>> = {
  "top-level await": { "main.js": "", "a.js": "var a=await 1;export{a as x};" },
  "import() of a name not known before": { "main.js": "", "a.js": "var a=x=>import(x);export{a};" },
  "the same in the entry": { "main.js": "import(Deno.args[0])", "a.js": "" },
  "other uses of import.meta": { "main.js": "", "a.js": "var a=import.meta.dirname;export{a};" },
  "a static import by the entry": { "main.js": `import"./a.js";`, "a.js": "" },
};

for (const [what, sources] of Object.entries(UNFIT)) {
  Deno.test(`mappedModules() refuses ${what}`, async () => {
    await rejects(async () => (await mapped(sources)).place(0x400000), {
      name: "Failure",
      message: /^build: \.\/(?:main|a)\.js .*can't be mapped/,
    });
  });
}

Deno.test("pack() refuses mapped modules without a fixed address", async () => {
  const sources = { "main.js": "", "a.js": "" };
  const options = {
    deno: await Deno.readFile(Deno.execPath()),
    modules: [modulesOf(sources).entry],
    mapped: await mapped(sources),
  };
  throws(() => pack(options), /only at a fixed address/);
});
