/** Real runs of planted files: of some tests that fail, and of some that fail only the first time. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { relative } from "node:path/posix";
import { ROOT } from "./run_deno.ts";
import { againOf, MOST, secondAttempts, type Verdict } from "./second_attempt.ts";
import { outcomeOf, runStep, type Step } from "./step.ts";
import { verdictText } from "./verdict.ts";

/** Files with tests, and what runs them. */
class Planted implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "rkt-planted-" });

  constructor(files: Readonly<Record<string, string>>) {
    const once = `const once = (name, what) => {
      const mark = ${JSON.stringify(this.directory)} + "/" + name;
      try { Deno.statSync(mark); } catch { Deno.writeTextFileSync(mark, ""); what(); }
    };
    const fail = (text = "planted") => { throw new Error(text); };\n`;
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${this.directory}/${name}_test.ts`, once + text);
    }
  }

  /** As the output names it. */
  path(name: string): string {
    return relative(ROOT, `${this.directory}/${name}_test.ts`);
  }

  step(tests: "file" | "files" | "machine", path: string, rest: Partial<Step> = {}): Step {
    const args = ["test", "--allow-all", "--no-check", "--no-config", path];
    return { args, seconds: 60, tests, ...rest };
  }

  async run(steps: readonly Step[]): Promise<Verdict> {
    const outcomes = [];
    for (const step of steps) outcomes.push(await runStep(step, [], () => {}));
    return await secondAttempts(outcomes, (step) => runStep(step, [], () => {}), () => {});
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

const FINE = 'Deno.test("fine", () => {}); Deno.test("fine too", () => {});';
const BROKEN = 'Deno.test("fine", () => {}); Deno.test("broken", () => fail("it is\\nbroken"));';
const FLAKY = 'Deno.test("fine", () => {}); Deno.test("flaky", () => once("flaky", fail));';

const named = (tests: Verdict["failed"]) => tests.map(({ file, name }) => [file, name]);

for (const as of ["files", "file"] as const) {
  Deno.test(`what fails once passes late, and what is broken fails: ${as}`, async () => {
    using planted = new Planted({ fine: FINE, broken: BROKEN, flaky: FLAKY });
    const names = ["broken", "fine", "flaky"];
    const steps = as === "files"
      ? [planted.step("files", planted.directory)]
      : names.map((name) => planted.step("file", planted.path(name)));
    const verdict = await planted.run(steps);
    deepStrictEqual(verdict.counts, { passed: 5, failed: 1 });
    deepStrictEqual(named(verdict.failed), [[planted.path("broken"), "broken"]]);
    deepStrictEqual(named(verdict.late), [[planted.path("flaky"), "flaky"]]);
    strictEqual(
      verdictText(verdict),
      `passed only at the second attempt: ${planted.path("flaky")}: flaky: Error: planted\n` +
        `failed: ${planted.path("broken")}: broken: Error: it is | broken\n` +
        "5 passed, 1 failed",
    );
  });
}

Deno.test("what fails in other ways, too, passes late: at its load, killed, past its time", async () => {
  const hang = "await new Promise((done) => setTimeout(done, 1_000_000))";
  using planted = new Planted({
    load: 'once("load", fail); Deno.test("fine", () => {});',
    killed: 'Deno.test("is killed", () => once("k", () => Deno.kill(Deno.pid, "SIGKILL")));',
    hangs: `let long = false; once("hangs", () => { long = true; });
      Deno.test("before", () => {}); Deno.test("hangs", async () => { if (long) ${hang}; });`,
  });
  const verdict = await planted.run(
    ["load", "killed", "hangs"].map((name) =>
      planted.step("file", planted.path(name), name === "hangs" ? { seconds: 10 } : {})
    ),
  );
  deepStrictEqual(verdict.counts, { passed: 4, failed: 0 });
  deepStrictEqual(verdict.failed, []);
  deepStrictEqual(named(verdict.late), [
    [planted.path("load"), ""],
    [planted.path("killed"), "is killed"],
    [planted.path("hangs"), "hangs"],
  ]);
});

Deno.test("another test that fails at the second attempt is a failure", async () => {
  using planted = new Planted({
    turns: `let first = false; once("turns", () => { first = true; });
      Deno.test("one", () => { if (first) fail(); }); Deno.test("two", () => { if (!first) fail(); });`,
  });
  const verdict = await planted.run([planted.step("files", planted.directory)]);
  deepStrictEqual(verdict.counts, { passed: 1, failed: 1 });
  deepStrictEqual(named(verdict.failed), [[planted.path("turns"), "two"]]);
  deepStrictEqual(named(verdict.late), [[planted.path("turns"), "one"]]);
});

Deno.test("of a machine only the scripts that failed run once more", async () => {
  using planted = new Planted({
    machine: `for (const name of ["r/a", "r/b", "r/c"]) {
      if (!Deno.args.includes("r") && !Deno.args.includes(name)) continue;
      Deno.test(name, () => {
        Deno.writeTextFileSync(${JSON.stringify("PLACE")}, name + "\\n", { append: true });
        if (name === "r/a") once("a", fail);
        if (name === "r/b") fail();
      });
    }`,
  });
  const ran = `${planted.directory}/ran`;
  const path = `${planted.directory}/machine_test.ts`;
  Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace("PLACE", ran));
  const step = planted.step("machine", planted.path("machine"), { words: ["r"] });
  const verdict = await planted.run([step]);
  deepStrictEqual(verdict.counts, { passed: 2, failed: 1 });
  deepStrictEqual(named(verdict.late), [[planted.path("machine"), "r/a"]]);
  deepStrictEqual(named(verdict.failed), [[planted.path("machine"), "r/b"]]);
  strictEqual(Deno.readTextFileSync(ran), "r/a\nr/b\nr/c\nr/a\nr/b\n");
});

Deno.test("nothing runs once more where more failed than load explains", async () => {
  const outcomes = Array.from({ length: MOST + 1 }, (_, i) => {
    const step: Step = { args: ["test", `t/${i}_test.ts`], seconds: 1, tests: "file" };
    const stdout =
      `running 1 test from ./t/${i}_test.ts\na ... FAILED (1ms)\n\nFAILED | 0 passed | 1 failed (1s)\n`;
    return outcomeOf(step, { success: false, stdout, processor: 1 }, 1);
  });
  const verdict = await secondAttempts(outcomes, () => {
    throw new Error("it ran");
  }, () => {});
  deepStrictEqual(verdict.counts, { passed: 0, failed: MOST + 1 });
  strictEqual(verdict.failed.length, MOST + 1);
  match(
    verdictText(verdict),
    /^9 files or scripts failed: nothing is run once more for more than 8\nfailed: /,
  );
});

Deno.test("the build, the lint, and files that did not run to their end have one attempt", () => {
  const build: Step = { args: ["run", "scripts/build.ts"], seconds: 1 };
  const broken = outcomeOf(build, { success: false, stdout: "", processor: 1 }, 1);
  deepStrictEqual(broken.counts, { passed: 0, failed: 1 });
  deepStrictEqual(named(broken.failed), [["run scripts/build.ts", ""]]);
  deepStrictEqual(againOf(broken), []);
  const unit: Step = { args: ["test", "src"], seconds: 1, tests: "files" };
  const stdout =
    "running 2 tests from ./src/a_test.ts\na ... ok (1ms)\nb ...\ndeno: not done within 1 s\n";
  const late = outcomeOf(unit, { success: false, stdout, processor: 1 }, 1);
  ok(!late.whole);
  deepStrictEqual(named(late.failed), [["src", "b"]]);
  deepStrictEqual(againOf(late), []);
});
