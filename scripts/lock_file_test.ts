import { deepStrictEqual, ok } from "node:assert/strict";

const root = new URL("..", import.meta.url);

Deno.test("deno.lock pins every package and names no registry host", async () => {
  const text = await Deno.readTextFile(new URL("deno.lock", root));
  ok(!/https?:|"tarball"/.test(text));
  for (const [key, value] of Object.entries<{ integrity?: string }>(JSON.parse(text).npm ?? {})) {
    ok(value.integrity?.startsWith("sha512-"), `${key} has no integrity`);
  }
});

Deno.test("deno.json pins versions exactly", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const loose = Object.values<string>(imports).filter((specifier) =>
    !/^npm:(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/.test(specifier)
  );
  deepStrictEqual(loose, []);
});
