import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { eszip } from "./eszip.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("eszip() makes an archive that Deno runs, modules importing each other", async () => {
  const file = await Deno.makeTempFile({ prefix: "rkt-eszip-" });
  try {
    await Deno.writeFile(
      file,
      eszip([
        {
          specifier: "file:///a/main.js",
          source: encode(`import "./ä.js"; await import("./b.js");`),
        },
        { specifier: "file:///a/%C3%A4.js", source: encode(`console.log("ä", Deno.args);`) },
        { specifier: "file:///a/b.js", source: encode(`console.log("b");`) },
      ]),
    );
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--eszip-internal-do-not-use", `file:///a/main.js#${file}`, "x"],
    }).output();
    strictEqual(success, true);
    deepStrictEqual(new TextDecoder().decode(stdout), `ä [ "x" ]\nb\n`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("eszip() depends on nothing but the modules", () => {
  const modules = [{ specifier: "file:///a.js", source: encode("1") }];
  deepStrictEqual(eszip(modules), eszip(modules));
});
