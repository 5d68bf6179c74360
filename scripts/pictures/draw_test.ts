import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { importsOf } from "../import_laws.ts";
import { drawn, parsePicture, PICTURES, sources } from "./draw.ts";

for (const [name, text] of sources()) {
  Deno.test(`the picture ${name} is what its text says; if not: deno task pictures`, () => {
    const svg = Deno.readTextFileSync(new URL(`${name}.svg`, PICTURES));
    strictEqual(svg === drawn(parsePicture(text)), true);
  });
}

Deno.test("parsePicture() reads rows, boxes and arrows, and names a line that it can't read", () => {
  const text = "title A < B\n# not this\nrow left\nbox a | one | two\nrow\nbox b\narrow a > b | to";
  const picture = parsePicture(text);
  deepStrictEqual(picture.rows, [
    { label: "left", boxes: [{ name: "a", lines: ["one", "two"] }] },
    { label: "", boxes: [{ name: "b", lines: [] }] },
  ]);
  deepStrictEqual(picture.arrows, [{ from: "a", to: "b", label: "to" }]);
  match(drawn(picture), /<title>A &lt; B<\/title>/);
  throws(() => parsePicture("row\nbox a\narrow a > c"), /there is no box c/);
  throws(() => parsePicture("row\ncircle a"), /line 2: circle a/);
});

const ROOT = new URL("../..", import.meta.url).pathname;

function* sourceFiles(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${directory}`)) {
    const path = `${directory}/${name}`;
    if (isDirectory && name !== "testing") yield* sourceFiles(path);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield path;
  }
}

/** The room of a file, as the picture has it; undefined for files beside the rooms. */
function roomOf(file: string): string | undefined {
  if (file === "main.ts") return file;
  return /^(stage1\/engine|stage1|src\/[^/]+)(?=\/)/.exec(file)?.[0];
}

Deno.test("the picture of the rooms has each room once, and every import goes down", () => {
  const { rows, arrows } = parsePicture(sources().get("rooms") ?? "");
  const level = new Map(
    rows.flatMap(({ boxes }, i) => boxes.map(({ name }) => [name, i] as const)),
  );
  const files = ["main.ts", ...sourceFiles("src"), ...sourceFiles("stage1")];
  const imports = new Map<string, Set<string>>();
  for (const file of files) {
    const room = roomOf(file);
    if (room === undefined) continue;
    const all = imports.get(room) ?? new Set();
    imports.set(room, all);
    for (const other of importsOf(file, Deno.readTextFileSync(`${ROOT}${file}`))) {
      const to = roomOf(other);
      if (to !== undefined && to !== room) all.add(to);
    }
  }
  // A new room goes into docs/build/pictures/rooms.txt, below those that import it.
  deepStrictEqual([...level.keys()].sort(), [...imports.keys()].sort());
  const climbing = [...imports].flatMap(([from, all]) =>
    [...all].filter((to) => (level.get(from) ?? NaN) >= (level.get(to) ?? NaN))
      .map((to) => `${from} > ${to}`)
  );
  deepStrictEqual(climbing, []);
  const untrue = arrows.filter(({ from, to }) => imports.get(from)?.has(to) !== true);
  deepStrictEqual(untrue, []);
});
