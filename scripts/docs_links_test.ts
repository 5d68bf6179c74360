/** The documentation: links lead somewhere, and commands are there. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { COMMANDS } from "../src/cli/table/commands.ts";

const root = new URL("..", import.meta.url);

/** Every page, by its path below the root. */
function pages(): ReadonlyMap<string, string> {
  const paths: string[] = [];
  const visit = (directory: string): void => {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(new URL(directory, root))) {
      if (isFile && name.endsWith(".md")) paths.push(directory.slice(2) + name);
      if (isDirectory && directory !== "./") visit(`${directory}${name}/`);
    }
  };
  visit("./");
  visit("./docs/");
  return new Map(paths.map((path) => [path, Deno.readTextFileSync(new URL(path, root))]));
}

/** Text without what is code: a link or a heading in an example is none. */
const prose = (text: string): string =>
  text.replace(/^```.*?^```$/gms, "").replace(/^ {4}.*$/gm, "");

/** Anchors of a page, as web sites of repositories make them of headings. */
function anchors(text: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [, heading = ""] of prose(text).matchAll(/^#+ (.+)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    let name = anchor;
    for (let count = 1; found.has(name); count++) name = `${anchor}-${count}`;
    found.add(name);
  }
  return found;
}

/** Links that lead nowhere: `page: link`. */
function brokenLinks(all: ReadonlyMap<string, string>): readonly string[] {
  const broken: string[] = [];
  for (const [page, text] of all) {
    for (const [, link = ""] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const url = new URL(link, new URL(page, root));
      const anchor = url.hash.slice(1);
      url.hash = "";
      const path = url.pathname.slice(root.pathname.length);
      const target = all.get(path);
      const there = target !== undefined || exists(url);
      if (!there || anchor !== "" && !(target !== undefined && anchors(target).has(anchor))) {
        broken.push(`${page}: ${link}`);
      }
    }
  }
  return broken;
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What is a command line in a text: code between backticks, and lines that are indented or fenced. */
function commandLines(text: string): readonly string[] {
  const spans = [...text.matchAll(/`((?:sudo )?rkt [^`\n]+)`/g)].map(([, span = ""]) => span);
  const lines = text.split("\n").filter((line) => /^(?: {4}|\$ )/.test(line));
  const calls = lines.flatMap((line) => {
    const call = /^(?:\s*)(?:\$ )?((?:sudo )?rkt .+)$/.exec(line)?.[1];
    return call === undefined ? [] : [call];
  });
  return [...spans, ...calls].map((line) => line.replace(/^sudo /, ""));
}

/** Command lines whose command is none of rkt's: `page: line`. */
function unknownCommands(all: ReadonlyMap<string, string>): readonly string[] {
  const names = new Set(COMMANDS.map(({ name }) => name));
  const families = new Set(
    COMMANDS.flatMap(({ name }) => name.includes(" ") ? [name.split(" ")[0]] : []),
  );
  const unknown: string[] = [];
  for (const [page, text] of all) {
    for (const line of commandLines(text)) {
      const words = line.split(/\s+/).slice(1);
      while (words[0]?.startsWith("-")) words.shift();
      const [first = "", second = ""] = words;
      // Placeholders, as in "rkt COMMAND", and "rkt app …" for a family.
      if (!/^[a-z][a-z-]*$/.test(first)) continue;
      const family = families.has(first) && second === "…";
      if (!family && !names.has(first) && !names.has(`${first} ${second}`)) {
        unknown.push(`${page}: ${line}`);
      }
    }
  }
  return unknown;
}

Deno.test("every relative link and anchor of the documentation exists", () => {
  const all = pages();
  ok(all.has("README.md") && all.has("docs/use/running.md"));
  deepStrictEqual(brokenLinks(all), []);
});

Deno.test("every command that the documentation names exists", () => {
  const all = pages();
  ok([...all.values()].flatMap(commandLines).length > 50);
  deepStrictEqual(unknownCommands(all), []);
});

Deno.test("links and commands that lead nowhere are found", () => {
  const all = new Map([
    ["README.md", "# A b\n\n[x](docs/nope.md) [y](#a-b) [z](#c) [w](deno.json)\n`rkt frob x`\n"],
    ["docs/a.md", "[x](../README.md#a-b) [y](../README.md#nope)\n\n    sudo rkt --debug nope\n"],
  ]);
  deepStrictEqual(brokenLinks(all), [
    "README.md: docs/nope.md",
    "README.md: #c",
    "docs/a.md: ../README.md#nope",
  ]);
  deepStrictEqual(unknownCommands(all), ["README.md: rkt frob x", "docs/a.md: rkt --debug nope"]);
});
