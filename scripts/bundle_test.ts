import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Bundle, bundle, ENTRY_LIMIT, hotChunks, hotPathFaults, runChunks } from "./bundle.ts";

function chunk(name: string, text: string) {
  return { name, source: new TextEncoder().encode(text) };
}

async function bundled(files: Record<string, string>): Promise<Bundle> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-bundle-test-" });
  try {
    await Deno.writeTextFile(`${dir}/deno.json`, "{}");
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${dir}/${name}`, text);
    }
    return await bundle(`${dir}/main.ts`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** What a bundle prints when it is run. */
async function said(made: Bundle): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-bundle-test-" });
  try {
    for (const { name, source } of made) await Deno.writeFile(`${dir}/${name}`, source);
    const args = ["run", "--no-config", `${dir}/main.js`];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A program whose `run` needs what another command needs too. */
const TWO_COMMANDS = {
  "main.ts": `import { speak } from "./speak.ts";
    async function main() { speak("main"); await (await import("./cli.ts")).cli(); }
    main().then(() => speak("end"));`,
  "cli.ts": `import { Store } from "./store.ts";
    import { speak } from "./speak.ts";
    export async function cli() {
      const { run } = await import("./run.ts");
      await run();
      speak(String((await import("./fetch.ts")).fetch() instanceof Store));
    }`,
  "run.ts": `import { Store } from "./store.ts";
    import { pod } from "./pod.ts";
    export async function run() { pod(new Store()); await (await import("./lazy.ts")).lazy(); }`,
  "fetch.ts": `import { Store } from "./store.ts";
    import { pod } from "./pod.ts";
    export function fetch() { pod(new Store()); return new Store(); }`,
  "pod.ts": `import { speak } from "./speak.ts";
    import { Store } from "./store.ts";
    export function pod(store: Store) { speak("pod " + store.name); }`,
  "store.ts": `export class Store { name = "store"; }`,
  "speak.ts": `export function speak(word: string) { console.log(word); }`,
  "lazy.ts": `import { gunzipSync } from "node:zlib";
    export function lazy() { console.log(typeof gunzipSync); }`,
};

Deno.test("hotChunks() has one chunk for the entry and one for each import() up to run", async () => {
  const made = await bundled(TWO_COMMANDS);
  const names = (chunks: readonly { name: string }[]) =>
    chunks.map((c) => c.name.replace(/-[A-Z0-9]{8}/, ""));
  deepStrictEqual(names(hotChunks(made)), ["main.js", "cli.js", "run.js"]);
  deepStrictEqual(names(made.slice(0, 3)), ["main.js", "cli.js", "run.js"]);
  deepStrictEqual(hotPathFaults(made), []);
});

Deno.test("bundle() has each module once", async () => {
  const words = ["main", "pod store", "function", "pod store", "true", "end", ""];
  strictEqual(await said(await bundled(TWO_COMMANDS)), words.join("\n"));
});

Deno.test("runChunks() has what run always needs, and not what stands in for it", () => {
  const chunk = (name: string, hot: boolean, ...imports: readonly string[]) => {
    return { name, hot, imports, source: new Uint8Array() };
  };
  const made: Bundle = [
    chunk("main.js", true),
    chunk("network_fast_path-AAAAAAAA.js", true, "net.js"),
    chunk("run-BBBBBBBB.js", true, "pod.js"),
    chunk("record_start-CCCCCCCC.js", false, "pod.js", "entry.js"),
    chunk("list-DDDDDDDD.js", false),
    ...["net.js", "pod.js", "entry.js"].map((name) => chunk(name, false)),
  ];
  deepStrictEqual(runChunks(made).map(({ name }) => name), [
    "main.js",
    "run-BBBBBBBB.js",
    "pod.js",
    "record_start-CCCCCCCC.js",
    "entry.js",
  ]);
});

Deno.test("hotPathFaults() misses a hot command that is not imported lazily", async () => {
  const made = await bundled({
    "main.ts": `import { run } from "./run.ts"; run();`,
    "run.ts": `export function run() {}`,
  });
  const fault = "no chunk of the command run: import src/cli/pod/run.ts by import()";
  deepStrictEqual(hotPathFaults(made), [fault]);
});

Deno.test("hotPathFaults() names node: modules on the hot path, except sqlite", async () => {
  const made = await bundled({
    "main.ts": `(await import("./run.ts")).run();`,
    "run.ts": `import { gunzipSync } from "node:zlib"; import { DatabaseSync } from "node:sqlite";
      export function run() { console.log(gunzipSync, DatabaseSync); }`,
  });
  const faults = hotPathFaults(made).map((fault) => fault.replace(/-[A-Z0-9]{8}/, ""));
  deepStrictEqual(faults, ["run.js imports node:zlib: import it lazily"]);
});

Deno.test("hotPathFaults() names CommonJS on the hot path", async () => {
  const made = await bundled({
    "main.ts": `import x from "./x.cjs"; console.log(x);`,
    "x.cjs": `module.exports = { x: 1 };`,
  });
  strictEqual(hotPathFaults(made)[0], "main.js contains a CommonJS module: import it lazily");
});

Deno.test("hotPathFaults() refuses an entry that is too big", () => {
  const made: Bundle = [chunk("main.js", `"${"x".repeat(ENTRY_LIMIT)}"`)];
  strictEqual(hotPathFaults(made).filter((fault) => fault.includes("bytes")).length, 1);
});

Deno.test("bundle() keeps the end of a resource that is used only once", async () => {
  const made = await bundled({
    "main.ts": `function open() {
        return { write() { console.log("write"); }, [Symbol.dispose]() { console.log("close"); } };
      }
      { using file = open(); file.write(); }
      console.log("after");`,
  });
  strictEqual(await said(made), "write\nclose\nafter\n");
});

Deno.test("bundle() keeps the CommonJS of one command out of the others", async () => {
  const made = await bundled({
    "main.ts": `if (Deno.args[0] === "run") (await import("./run.ts")).run();
      else (await import("./fetch.ts")).fetch();`,
    "run.ts": `export function run() { console.log("run"); }`,
    "fetch.ts": `import x from "./x.cjs"; export function fetch() { console.log(x); }`,
    "x.cjs": `module.exports = { x: require("node:os").EOL === "\\n" };`,
  });
  deepStrictEqual(hotPathFaults(made), []);
  strictEqual(made.filter((chunk) => chunk.commonJs).length, 1);
  strictEqual(await said(made), "{ x: true }\n");
});
