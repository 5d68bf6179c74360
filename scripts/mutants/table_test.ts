import { deepStrictEqual, ok, throws } from "node:assert/strict";
import { ROOT } from "../test/run_deno.ts";
import { allFaults, type Fault, planted, readFaults, TableError } from "./fault.ts";

const textOf = (path: string): string => Deno.readTextFileSync(`${ROOT}${path}`);

/** What is wrong with a row: a line. */
function faultOf(fault: Fault): readonly string[] {
  const { where, file, noticer: { path, filter } } = fault;
  try {
    const text = textOf(file);
    if (planted(fault, text) === text) return [`${where}: changes nothing`];
    const tests = textOf(path);
    if (filter !== undefined && !tests.includes(filter)) {
      return [`${where}: no test of ${path} has ${JSON.stringify(filter)} in its name`];
    }
    return [];
  } catch (error) {
    if (error instanceof TableError || error instanceof Deno.errors.NotFound) {
      return [`${where}: ${error.message}`];
    }
    throw error;
  }
}

Deno.test("each fault of the table can be planted, and the test that must notice it is there", () => {
  deepStrictEqual(allFaults().flatMap(faultOf), []);
});

/** The folders of src and stage1. */
function rooms(): readonly string[] {
  return ["src", "stage1"].flatMap((top) =>
    [...Deno.readDirSync(`${ROOT}${top}`)]
      .filter(({ name, isDirectory }) => isDirectory && name !== "testing")
      .map(({ name }) => `${top}/${name}/`)
  );
}

Deno.test("the table has at least 150 faults, and some of every room", () => {
  const faults = allFaults();
  ok(faults.length >= 150, `${faults.length}`);
  const without = rooms().filter((room) => !faults.some(({ file }) => file.startsWith(room)));
  deepStrictEqual(without, []);
  const losses = faults.map(({ file, loss }) => `${file}: ${loss}`);
  deepStrictEqual(losses.filter((loss, i) => losses.indexOf(loss) !== i), []);
});

Deno.test("readFaults() reads blocks, in which file and test stay as they were", () => {
  const text = "# a comment\n\nfile: a.ts\ntest: a_test.ts | one\nlost: x\n- a\n-   b\n+ c\n\n" +
    "built: b_test.ts\nlost: y\n- d\n+\n";
  deepStrictEqual(readFaults("t", text), [
    {
      where: "t:3",
      file: "a.ts",
      loss: "x",
      find: "a\n  b",
      replacement: "c",
      noticer: { path: "a_test.ts", filter: "one" },
    },
    {
      where: "t:10",
      file: "a.ts",
      loss: "y",
      find: "d",
      replacement: "",
      noticer: { path: "b_test.ts", built: true },
    },
  ]);
  throws(() => readFaults("t", "lost: x\n- a\n"), TableError);
  throws(() => readFaults("t", "file: a\nwhat: x\n"), /t:1: no line of a fault: what: x/);
});

Deno.test("planted() insists on one place", () => {
  const fault = {
    where: "t:1",
    file: "a.ts",
    loss: "",
    find: "b",
    replacement: "x",
    noticer: { path: "a_test.ts" },
  };
  deepStrictEqual(planted(fault, "abc"), "axc");
  throws(() => planted(fault, "acd"), /a\.ts has no longer: b/);
  throws(() => planted(fault, "abab"), /a\.ts has more than once: b/);
});
