import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runDeno, runningTest } from "./run_deno.ts";

Deno.test("runDeno() ends a test file that hangs, and says which test it is in", async () => {
  const dir = await Deno.makeTempDir({ prefix: "rkt-hang-" });
  try {
    const text = 'Deno.test("quick", () => {});\n' +
      'Deno.test("hangs", async () => { while (true) await new Promise((d) => setTimeout(d, 50)); });';
    await Deno.writeTextFile(`${dir}/hang_test.ts`, text);
    const args = ["test", "--no-check", "--no-config", `${dir}/hang_test.ts`];
    const { success, stdout } = await runDeno(args, { seconds: 3, visible: false });
    strictEqual(success, false);
    match(stdout, /not done within 3 s; it hangs in the test "hangs"\n$/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("runDeno() ends what a test that hangs has started", async () => {
  const dir = await Deno.makeTempDir({ prefix: "rkt-hang-" });
  try {
    const text = `Deno.test("hangs", async () => {
      const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
      Deno.writeTextFileSync("${dir}/pid", String(child.pid));
      await child.status;
    });`;
    await Deno.writeTextFile(`${dir}/hang_test.ts`, text);
    const args = ["test", "--no-check", "--no-config", "-A", `${dir}/hang_test.ts`];
    await runDeno(args, { seconds: 5, visible: false });
    const pid = await Deno.readTextFile(`${dir}/pid`);
    const state = () => {
      try {
        return /^State:\t(.)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
      } catch {
        return undefined;
      }
    };
    // It has been killed; it may not have run since, and whoever adopts it may not have reaped it yet.
    const ended = () => [undefined, "Z", "X"].includes(state());
    for (let i = 0; i < 500 && !ended(); i++) await new Promise((done) => setTimeout(done, 20));
    ok(ended(), `sleep is ${state()}`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("runDeno() returns what a command prints, and how it ends", async () => {
  const args = ["eval", "console.log(5); Deno.exit(3)"];
  const { processor = 0, ...ended } = await runDeno(args, { seconds: 60, visible: false });
  deepStrictEqual(ended, { success: false, stdout: "5\n" });
  ok(processor > 0, "it cost nothing");
});

Deno.test("runningTest() finds the test that has begun last", () => {
  strictEqual(runningTest("running 2 tests from ./x\na ... ok (1ms)\nb ..."), "b");
  strictEqual(runningTest("\x1b[0ma\x1b[0m ... \x1b[32mok\x1b[0m\nb ...\n--- output ---\nx"), "b");
  strictEqual(runningTest("Check file:///x"), undefined);
});
