import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  breaches,
  circles,
  type ImportGraph,
  importsOf,
  isCommand,
  unrecordedQuestions,
} from "./import_laws.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const TOP = ["src", "stage1", "scripts", "tests", "testdata"];

/** Files of product in one folder. */
const MOST_FILES = 27;

/** Lines of a file of product. */
const MOST_LINES = 400;

/** Files that are one table, which would only be harder to read in parts. */
const TABLES: readonly string[] = [
  "src/cli/table/run_flags.ts",
  "stage1/seccomp/syscall_table.ts",
];

function* sourceFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${folder}`)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sourceFiles(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

const texts: ReadonlyMap<string, string> = new Map(
  ["main.ts", ...TOP.flatMap((folder) => [...sourceFiles(folder)])]
    .map((file) => [file, Deno.readTextFileSync(`${ROOT}${file}`)]),
);
const commands = new Set(
  [...texts].filter(([file, text]) => isCommand(file, text)).map(([f]) => f),
);
const graph: ImportGraph = new Map(
  [...texts].map(([file, text]) => [file, importsOf(file, text)]),
);
const isProduct = (file: string) => !/_test\.ts$|^tests\/|^testdata\/|\/testing\//.test(file);

Deno.test("no import breaks a law", () => {
  strictEqual(commands.size > 40, true, "the commands are found");
  deepStrictEqual(breaches(graph, commands), []);
});

Deno.test("no files import each other in a circle", () => {
  deepStrictEqual(circles(graph), []);
});

/** Who may use Deno.env: Deno's own HTTP client reads it. All others ask src/linux/environment.ts, because the binary changes it. */
const OWN_ENVIRONMENT = ["src/http/transport.ts", "src/http/proxy.ts"];

Deno.test("the environment is that of the caller, and not what the binary hands to Deno", () => {
  const asking = [...texts].filter(([file, text]) =>
    /^(src|stage1)\//.test(file) && isProduct(file) && !OWN_ENVIRONMENT.includes(file) &&
    /\bDeno\.env\b/.test(text.replace(/^\s*(\*|\/\/).*$/gm, ""))
  );
  deepStrictEqual(asking.map(([file]) => file), []);
});

Deno.test("a start asks the world only where it is noted", () => {
  deepStrictEqual([...texts].flatMap(([file, text]) => unrecordedQuestions(file, text)), []);
});

Deno.test("unrecordedQuestions() refuses what a repeated start would not ask again", () => {
  const asking = [
    "Deno.readTextFileSync(path)",
    "Deno.statSync(path)",
    'Deno.env.get("X")',
    "if (exists(path)) return;",
    'trySyscall("statx")',
    "Deno.stdin.isTerminal()",
  ];
  for (const text of asking) {
    match(unrecordedQuestions("src/start/run_pod.ts", text).join(), /ask src\/start\/world\.ts/);
    deepStrictEqual(unrecordedQuestions("src/start/world.ts", text), []);
    deepStrictEqual(unrecordedQuestions("src/store/store.ts", text), []);
  }
  deepStrictEqual(unrecordedQuestions("src/start/run_pod.ts", "world.content(path)"), []);
});

Deno.test("a folder has few enough files, and a file few enough lines", () => {
  const product = [...texts].filter(([file]) => isProduct(file));
  const folders = Map.groupBy(product, ([file]) => file.slice(0, file.lastIndexOf("/")));
  const crowded = [...folders].filter(([, files]) => files.length > MOST_FILES);
  deepStrictEqual(crowded.map(([folder, files]) => `${folder}: ${files.length} files`), []);
  const lines = (text: string) => text.split("\n").length - 1;
  const long = product.filter(([file, text]) => lines(text) > MOST_LINES && !TABLES.includes(file));
  deepStrictEqual(long.map(([file, text]) => `${file}: ${lines(text)} lines`), []);
});

/** Imports that nobody may write, and what the message has to say. */
const PLANTED: readonly (readonly [string, string, RegExp])[] = [
  ["src/linux/lock.ts", "src/failure.ts", /system calls know nothing of rkt/],
  ["src/aci/render.ts", "src/store/store.ts", /hand in/],
  ["stage1/engine/plan.ts", "stage1/pod.ts", /a plan does not know what it is for/],
  ["stage1/root/root.ts", "src/store/layout.ts", /stage1\/pod\.ts/],
  ["src/store/store.ts", "src/pod/directory/pod_directory.ts", /in use/],
  ["src/net/kernel/netlink.ts", "src/net/nat/nat.ts", /the order is model, kernel/],
  ["src/start/run_pod.ts", "src/cli/print/output.ts", /the room that it is about/],
  ["src/cli/pod/stop.ts", "src/cli/pod/rm.ts", /a command never imports another/],
  ["src/pod/life/stop_pod.ts", "stage1/testing/fake_kernel.ts", /for tests/],
  ["scripts/build.ts", "tests/world/rkt.ts", /tests\/bench/],
];

for (const [file, imported, instead] of PLANTED) {
  Deno.test(`breaches() refuses ${file} → ${imported}`, () => {
    const found = breaches(new Map([[file, [imported]]]), commands);
    match(found.join("\n"), instead);
    match(found[0] ?? "", new RegExp(`^${file} → ${imported}: `));
  });
}

Deno.test("circles() names the files on a circle in order", () => {
  const circle: ImportGraph = new Map([["a.ts", ["b.ts"]], ["b.ts", ["c.ts"]], ["c.ts", ["b.ts"]]]);
  deepStrictEqual(circles(circle), [
    "b.ts → c.ts → b.ts: move what both need to a third file",
  ]);
});

Deno.test("importsOf() reads imports of types, and import(), and no comments", () => {
  const text = `/**\n * import "./comment.ts"\n */
import type { A } from "./a.ts";
import { b } from "../b.ts";
export type { C } from "./c.ts";
const { d } = await import("./d/d.ts");
`;
  deepStrictEqual(importsOf("src/x/y.ts", text), [
    "src/x/a.ts",
    "src/b.ts",
    "src/x/c.ts",
    "src/x/d/d.ts",
  ]);
});
