import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Bundle } from "./bundle.ts";
import { functionsOf, trained } from "./train.ts";

Deno.test("functionsOf() finds where functions of a script begin, whatever is in its text", () => {
  const log = [
    "script-source,7,file:///app/a.js,a(1\\x2C2);\\n//\\\\n \\u20ac",
    "code-source-info,0xaa,7,1,5,C0O1,,",
    "code-source-info,0xab,7,3,5,C0O1,,",
    "code-source-info,0xac,8,9,5,C0O1,,",
    "tick,0xad,7",
  ].join("\n");
  deepStrictEqual(functionsOf([log, ""]), new Map([["a(1,2);\n//\\n €", new Set([1, 3])]]));
});

Deno.test("trained() leaves a program as it is that can't be tried, and says so", async () => {
  const program: Bundle = [{ name: "main.js", source: new TextEncoder().encode("throw 'no';") }];
  const said: string[] = [];
  strictEqual(await trained(program, (line) => said.push(line)), program);
  match(said.join("\n"), /^first starts will be slower: rkt image build .*no/);
});

Deno.test("trained() marks what a program calls, and nothing else", async () => {
  const source = "if(Deno.args[0]!=='image')f();function f(){}function g(){}";
  const program: Bundle = [{ name: "main.js", source: new TextEncoder().encode(source) }];
  const [entry] = await trained(program, (line) => {
    throw new Error(line);
  });
  const text = new TextDecoder().decode(entry.source);
  strictEqual(text, "var f=(function(){});if(Deno.args[0]!=='image')f();function g(){}");
});
