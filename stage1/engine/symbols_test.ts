import assert from "node:assert/strict";
import { testApp, testPod } from "../testing/fake_kernel.ts";
import { elfSections, elfSymbols, stepOf } from "../testing/process_step.ts";
import { PLAN_PARTS } from "../testing/plan_parts.ts";
import { podPlan } from "../processes/pod_plan.ts";
import { assemble } from "./assemble.ts";
import { ARCHITECTURE, program, programWithSymbols } from "./launch.ts";
import { Section, slot } from "./plan.ts";
import { print } from "./print.ts";
import { stepAddresses, symbolsOf } from "./symbols.ts";

const pod = testPod([testApp("a"), testApp("b")]);

Deno.test("a program has no symbols unless they are asked for, and is the same with them", async () => {
  const plain = program(podPlan(pod, PLAN_PARTS));
  assert.deepEqual(elfSymbols(plain), []);
  const named = await programWithSymbols(podPlan(pod, PLAN_PARTS));
  // Only the header says where the section headers are.
  assert.deepEqual(named.slice(64, plain.length), plain.slice(64));
});

Deno.test("each label is a symbol of the section that its step is in", async () => {
  const file = await programWithSymbols(podPlan(pod, PLAN_PARTS));
  const symbols = elfSymbols(file);
  const sections = elfSections(file);
  const plan = podPlan(pod, PLAN_PARTS);
  const labels = Object.entries(plan).flatMap(([section, items]) =>
    Array.isArray(items)
      ? items.flatMap((item) => item.kind === "label" ? [[section, item.name] as const] : [])
      : []
  );
  assert.ok(labels.length > 50);
  for (const [section, name] of labels) {
    const found = symbols.filter((each) => each.name === name && each.type === 1);
    const place = section === "waiting" ? ".text" : `rkt.${section}`;
    const symbol = found.find((each) => each.section === place);
    assert.ok(symbol !== undefined, name);
    const { address = 0, size = 0 } = sections.find((each) => each.name === place) ?? {};
    assert.ok(symbol.address >= address && symbol.address + symbol.size <= address + size, name);
  }
});

Deno.test("readelf finds nothing wrong with the symbols", async () => {
  const path = Deno.makeTempFileSync({ prefix: "rkt-symbols-" });
  try {
    Deno.writeFileSync(path, await programWithSymbols(podPlan(pod, PLAN_PARTS)));
    const args = ["--all", "--wide", path];
    const { stdout, stderr } = new Deno.Command("readelf", { args }).outputSync();
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.match(new TextDecoder().decode(stdout), / FUNC +LOCAL +DEFAULT +1 engine\n/);
  } finally {
    Deno.removeSync(path);
  }
});

/** A plan whose process sleeps at one of two steps that differ by an argument only. */
function sleeper(asleep: string) {
  const setup = new Section();
  const zero = slot("zero");
  setup.set(zero, 0);
  setup.goto(asleep);
  for (const [i, name] of ["first wait", "second wait"].entries()) {
    setup.label(name);
    setup.attempt("sleep", "ppoll", [0, zero, 0, 0, 8 * i]);
    setup.attempt("end", "exit_group", [0]);
  }
  return { setup: setup.items, resident: [] };
}

for (const where of ["first wait", "second wait"]) {
  Deno.test(`the register, /proc/PID/syscall and the symbols say that a process is in its ${where}`, async () => {
    const path = Deno.makeTempFileSync({ prefix: "rkt-symbols-" });
    Deno.writeFileSync(path, await programWithSymbols(sleeper(where)));
    Deno.chmodSync(path, 0o755);
    const child = new Deno.Command(path, { stdin: "null" }).spawn();
    try {
      const asleep = () =>
        Deno.readLinkSync(`/proc/${child.pid}/exe`) === path &&
        /State:\tS/.test(Deno.readTextFileSync(`/proc/${child.pid}/status`));
      const deadline = Date.now() + 20_000;
      while (!asleep() && Date.now() < deadline) await new Promise((done) => setTimeout(done));
      assert.deepEqual(stepOf(child.pid), { register: where, lastArgument: where });
    } finally {
      child.kill("SIGKILL");
      await child.status;
      Deno.removeSync(path);
    }
  });
}

Deno.test("print() shows the addresses that the symbols have", () => {
  const plan = podPlan(pod, PLAN_PARTS);
  const layout = assemble(plan, ARCHITECTURE);
  const lines = print(plan, { address: stepAddresses(layout, ARCHITECTURE) });
  const symbols = new Set(
    symbolsOf(layout, ARCHITECTURE).map(({ name, address }) => `0x${address.toString(16)} ${name}`),
  );
  let seen = 0;
  for (const [i, line] of lines.entries()) {
    const name = /^ {10}(\S.*):$/.exec(line)?.[1];
    const step = lines.slice(i + 1).find((each) => each.startsWith("0x"));
    if (name === undefined || step === undefined) continue;
    seen += 1;
    const [address] = step.split(" ");
    assert.ok(symbols.has(`${address} ${name}`), name);
  }
  assert.ok(seen > 50);
});
