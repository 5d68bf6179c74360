/** docs/use/errors.md: the messages that it explains are those of the sources. */
import { deepStrictEqual, ok } from "node:assert/strict";

const ROOT = new URL("..", import.meta.url).pathname;

function* sources(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${directory}`)) {
    const path = `${directory}/${name}`;
    if (isDirectory && name !== "testing") yield* sources(path);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield path;
  }
}

/** The text of sources as one would see it printed: parts that are put together joined, quotes unescaped. */
const joined = (text: string): string =>
  text.replace(/["`]\s*\+\s*["`]/g, "").replaceAll('\\"', '"').replaceAll("\\`", "`");

/** The messages of a page: the first cell of each row of a table. */
const messages = (page: string): readonly string[] =>
  [...page.matchAll(/^\| `(.+?)` +\|/gm)].map(([, message = ""]) => message);

Deno.test("every message that the page explains is in the sources", () => {
  const page = Deno.readTextFileSync(`${ROOT}docs/use/errors.md`);
  const all = [...sources("src"), ...sources("stage1"), "main.ts"]
    .map((path) => joined(Deno.readTextFileSync(`${ROOT}${path}`))).join("\n");
  const found = messages(page);
  ok(found.length > 30, `${found.length} messages`);
  const lost = found.flatMap((message) =>
    message.split("…").map((part) => part.trim()).filter((part) => /[a-z]/i.test(part))
      .filter((part) => !all.includes(part))
      .map((part) => `${message}: ${part}`)
  );
  deepStrictEqual(lost, []);
});
