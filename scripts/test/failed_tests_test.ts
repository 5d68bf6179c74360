import { deepStrictEqual } from "node:assert/strict";
import { failedFile, failedTests, testsOfFiles } from "./failed_tests.ts";

/** What `deno test` prints, with its colors where they are in the way. */
const OUTPUT = `\x1b[0m\x1b[38;5;245mrunning 3 tests from ./src/a_test.ts\x1b[0m
fine ... \x1b[0m\x1b[32mok\x1b[0m (4ms)
bad => one ... \x1b[0m\x1b[31mFAILED\x1b[0m \x1b[0m\x1b[38;5;245m(2ms)\x1b[0m
with steps ...
  s1 ... FAILED (1ms)
  s2 ... FAILED (1ms)
with steps ... FAILED (due to 2 failed steps) (95ms)
Uncaught error from ./src/b_test.ts FAILED
running 2 tests from ./src/c_test.ts
says much ...
------- post-test output -------
 ERRORS 
fine ... FAILED
running 9 tests from ./src/no_test.ts
----- post-test output end -----
says much ... FAILED (496µs)

\x1b[0m\x1b[1m\x1b[37m\x1b[41m ERRORS \x1b[0m

bad => one \x1b[38;5;245m=> ./src/a_test.ts:2:6\x1b[0m
\x1b[31merror\x1b[0m: Error: first line
second line

third line
fourth line
    at file:///a_test.ts:2:39

with steps ... s1 => ./src/a_test.ts:3:112
error: Error: of a step
    at file:///a_test.ts:3:139

with steps ... s2 => ./src/a_test.ts:3:112
error: Error: of another step
    at file:///a_test.ts:3:139

./src/b_test.ts (uncaught error)
error: (in promise) Error: at load
throw new Error("at load");
      ^
    at file:///src/b_test.ts:1:7

says much => ./src/c_test.ts:2:6
error: "text"

 FAILURES 

bad => one => ./src/a_test.ts:2:6

FAILED | 1 passed | 4 failed (1s)
`;

Deno.test("failedTests() finds names, files and first lines", () => {
  deepStrictEqual(failedTests(OUTPUT, "src"), [
    {
      file: "src/a_test.ts",
      name: "bad => one",
      message: "Error: first line | second line | third line",
    },
    { file: "src/a_test.ts", name: "with steps", message: "Error: of a step" },
    {
      file: "src/b_test.ts",
      name: "",
      message: "(in promise) Error: at load",
    },
    {
      file: "src/c_test.ts",
      name: "says much",
      message: '"text"',
    },
  ]);
});

Deno.test("failedFile() says where a process ended that did not come to its end", () => {
  const text =
    "running 2 tests from ./t/a_test.ts\na ... ok (1ms)\nb ...\ndeno: not done within 3 s\n";
  const message = "deno: not done within 3 s";
  deepStrictEqual(failedFile(text, "t/a_test.ts"), { file: "t/a_test.ts", name: "b", message });
  const silent = { file: "t", name: "", message: "it ended without a word" };
  deepStrictEqual(failedFile("", "t"), silent);
});

Deno.test("testsOfFiles() counts the tests of each file", () => {
  deepStrictEqual([...testsOfFiles(OUTPUT)], [["src/a_test.ts", 3], ["src/c_test.ts", 2]]);
});

Deno.test("failedTests() names a test that took long", () => {
  const output = `running 3 tests from ./t/vm_test.ts
the first's ...'the first's' has been running for over (1m0s)
 ok (1m14s)
the second's ...'the second's' has been running for over (1m0s)
'the second's' has been running for over (2m0s)
 FAILED (3m55s)
the third ... ok (31s)

 ERRORS 

the second's => ./t/vm_test.ts:87:10
error: AssertionError: it ended with 1
    at file:///t/vm_test.ts:89:14

 FAILURES 

FAILED | 2 passed | 1 failed (13m0s)
`;
  deepStrictEqual(failedTests(output, "t/vm_test.ts"), [
    { file: "t/vm_test.ts", name: "the second's", message: "AssertionError: it ended with 1" },
  ]);
});
