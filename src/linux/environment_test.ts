import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { originalEnvironment, originalVariable, originalVariables } from "./environment.ts";

Deno.test("originalEnvironment() has what the process was started with, in order", () => {
  const script = `import { originalEnvironment } from "${import.meta.resolve("./environment.ts")}";
    Deno.env.set("ADDED", "later");
    console.log(JSON.stringify(originalEnvironment()));`;
  const { stdout, success } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", script],
    clearEnv: true,
    env: { B: "1=2", A: "zwei\nZeilen", EMPTY: "" },
  }).outputSync();
  strictEqual(success, true);
  const entries: string[] = JSON.parse(new TextDecoder().decode(stdout));
  deepStrictEqual(entries.toSorted(), ["A=zwei\nZeilen", "B=1=2", "EMPTY="]);
});

Deno.test("originalVariable() does not see what was set later", () => {
  Deno.env.set("RKT_TEST_SET_LATER", "x");
  strictEqual(originalVariable("RKT_TEST_SET_LATER"), undefined);
  strictEqual(originalVariable("PATH"), Deno.env.get("PATH"));
  strictEqual(originalEnvironment(), originalEnvironment());
  Deno.env.delete("RKT_TEST_SET_LATER");
});

Deno.test("originalVariables() is what Deno.Command takes", () => {
  strictEqual(originalVariables()["PATH"], originalVariable("PATH"));
  strictEqual(Object.keys(originalVariables()).includes(""), false);
});
