import { strictEqual } from "node:assert/strict";
import { withEagerFunctions } from "./eager_functions.ts";

/** The text with all functions in it made eager whose parameters begin at a `(` behind a mark; the marks are taken out. */
function eager(marked: string): string {
  const starts = new Set<number>();
  let source = "";
  for (const [index, piece] of marked.split("§").entries()) {
    if (index > 0) starts.add(source.length);
    source += piece;
  }
  return withEagerFunctions(source, starts);
}

Deno.test("withEagerFunctions() puts functions and arrow functions in parentheses", () => {
  strictEqual(eager("f(function§(a){return a});"), "f((function(a){return a}));");
  strictEqual(
    eager("var g=§a=>a+1,h=async function§(){};"),
    "var g=(a=>a+1),h=(async function(){});",
  );
  strictEqual(eager("x(§()=>y(§()=>1));"), "x((()=>y((()=>1))));");
});

Deno.test("withEagerFunctions() leaves what was not called, and methods", () => {
  const source = "function f(){}x(()=>1);class A{m(){}get g(){return 1}}y({m(){},set s(v){}});";
  strictEqual(withEagerFunctions(source, new Set()), source);
  strictEqual(
    eager("class A{m§(){}get g§(){return 1}}y({m§(){},set s§(v){}});"),
    "class A{m(){}get g(){return 1}}y({m(){},set s(v){}});",
  );
});

Deno.test("withEagerFunctions() has declarations where they were: before all statements of their block", () => {
  strictEqual(
    eager('import"./a.js";g();function g§(){return h();function h§(){return 1}}export{g};'),
    'import"./a.js";;var g=(function(){var h=(function(){return 1});return h();});g();export{g};',
  );
  strictEqual(
    eager('function f§(){"use strict";return i§()}async function*i§(){}'),
    'var f=(function(){"use strict";return i()});var i=(async function*(){});',
  );
  // A function in a block belongs to the block.
  strictEqual(eager("if(a){function b§(){}}"), "if(a){function b(){}}");
});

Deno.test("withEagerFunctions() changes nothing of what a program does", async () => {
  const source = `
    const said = [];
    said.push(first(2), typeof late, first.name);
    function first(n) { return second(n) + [1, 2].map((x) => x * n).join(); function second(m) { return m - 1; } }
    function late() {}
    class A { #p = () => this.q; q = 7; m() { return this.#p(); } }
    said.push(new A().m(), (function () { return arguments.length; })(1, 2), (() => 1).name, (await asked()));
    async function asked() { for await (const x of made()) return x; }
    async function* made() { yield 5; }
    export default said.join(" ");`;
  const everywhere = new Set(Array.from(source, (_, index) => index));
  const changed = withEagerFunctions(source, everywhere);
  const run = async (text: string): Promise<unknown> => {
    const { default: said } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    return said;
  };
  strictEqual(changed.includes("var first=(function"), true);
  strictEqual(await run(changed), await run(source));
  strictEqual(await run(source), "12,4 function first 7 2  5");
});
