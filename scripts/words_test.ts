import { deepStrictEqual } from "node:assert/strict";

const ROOT = new URL("..", import.meta.url).pathname;

/** Words that sources, help and docs do not use, each with what to write instead. */
const REFUSED: readonly (readonly [words: string, instead: string])[] = [
  ["an url", "a URL"],
  ["of which each", "each of which, or a sentence of its own"],
  ["what comes then", "the next, or what follows"],
  ["to whom it may", "who is meant"],
];

const KINDS = /\.(ts|md|sh|c|h|S)$/;
/** Made by others, or by a build; and this file, which has the words. */
const LEFT_OUT = /(^|\/)(\.git|\.cache|dist|node_modules|coverage)(\/|$)|scripts\/words_test\.ts$/;

interface Found {
  readonly line: number;
  readonly words: string;
  readonly instead: string;
}

/** Where a text has words that are refused; also where a line, or the star of a comment, is between them. */
function refusedWords(text: string): Found[] {
  return REFUSED.flatMap(([words, instead]) => {
    const between = "(?:[ \\t]*\\n)?[ \\t]*(?:\\*|//|#)?[ \\t]*";
    const pattern = new RegExp(`\\b${words.split(" ").join(`\\s${between}`)}\\b`, "gi");
    return Array.from(text.matchAll(pattern), ({ index }) => {
      const line = text.slice(0, index).split("\n").length;
      return { line, words, instead };
    });
  });
}

function* filesBelow(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${directory}`)) {
    const path = `${directory}${name}`;
    if (LEFT_OUT.test(path)) continue;
    if (isDirectory) yield* filesBelow(`${path}/`);
    else if (KINDS.test(name)) yield path;
  }
}

Deno.test("sources, help and docs have no words that read as if translated", () => {
  const files = [...filesBelow("")];
  deepStrictEqual(files.includes("main.ts") && files.includes("README.md"), true);
  const found = files.flatMap((path) =>
    refusedWords(Deno.readTextFileSync(`${ROOT}${path}`)).map(({ line, words, instead }) =>
      `${path}:${line}: "${words}": write ${instead}`
    )
  );
  deepStrictEqual(found, []);
});

Deno.test("refusedWords() finds words on one line and across the lines of a comment", () => {
  const text = "An URL.\n/**\n * apps, of\n * which each runs\n */\nwhat comes then\nan URLish\n";
  deepStrictEqual(refusedWords(text).map(({ line, words }) => [line, words]), [
    [1, "an url"],
    [3, "of which each"],
    [6, "what comes then"],
  ]);
});
