import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import * as esbuild from "esbuild";
import { mappedModule } from "./mapped_module.ts";
import { pack } from "./pack.ts";

const encode = (text: string) => new TextEncoder().encode(text);

async function mapped(source: string) {
  try {
    return await mappedModule({ specifier: "file:///app/big.js", source: encode(source) });
  } finally {
    await esbuild.stop();
  }
}

Deno.test("a mapped module runs when it is imported, once, with its imports and exports", async () => {
  const big = await mapped(
    `import{shared as s}from"./shared.js";import o,{EOL}from"node:os";import*as p from"node:path";` +
      `console.log("big runs",s,o.EOL===EOL,p.sep,import.meta.url);` +
      `function f(){return this===undefined}var c=class{x="ä"};` +
      `export{f as default,c as Class,s as again};`,
  );
  if (big === undefined) throw new Error("not mapped");
  const main = encode(
    `console.log("main"); const big = await import("./big.js"); await import("./big.js");
     console.log(Object.keys(big).toString(), (0, big.default)(), new big.Class().x, big.again);`,
  );
  const binary = pack({
    deno: await Deno.readFile(Deno.execPath()),
    base: 0x400000,
    modules: [
      { specifier: "file:///app/main.js", source: main },
      { specifier: "file:///app/shared.js", source: encode(`export const shared = 7;`) },
    ],
    mapped: [big],
  });
  const file = await Deno.makeTempFile({ prefix: "rkt-mapped-" });
  try {
    await Deno.writeFile(file, binary);
    await Deno.chmod(file, 0o755);
    const { stdout, stderr } = await new Deno.Command(file).output();
    strictEqual(new TextDecoder().decode(stderr), "");
    deepStrictEqual(new TextDecoder().decode(stdout).trim().split("\n"), [
      "main",
      "big runs 7 true / file:///app/big.js",
      "Class,again,default true ä 7",
    ]);
  } finally {
    await Deno.remove(file);
  }
});

const UNFIT: Readonly<Record<string, string>> = {
  "top-level await": "var a=await 1;export{a as x};",
  "import()": 'var a=()=>import("./x.js");export{a as x};',
  "other uses of import.meta": "var a=import.meta.main;export{a as x};",
  "no list of exports at its end": "export var a=1;",
  "two of them": 'export*from"./y.js";var a=1;export{a as x};',
};

for (const [what, source] of Object.entries(UNFIT)) {
  Deno.test(`mappedModule() leaves a module alone that has ${what}`, async () => {
    strictEqual(await mapped(source), undefined);
  });
}

Deno.test("pack() refuses mapped modules without a fixed address", async () => {
  const big = await mapped("var a=1;export{a as x};");
  const deno = await Deno.readFile(Deno.execPath());
  const modules = [{ specifier: "file:///app/main.js", source: encode("") }];
  await rejects(async () =>
    await Promise.resolve(pack({ deno, modules, mapped: big ? [big] : [] }))
  );
});
