import { ok, strictEqual } from "node:assert/strict";
import { measuring, processorTime, readTimes } from "./processor_time.ts";

const BUSY = "for ((i = 0; i < 300000; i++)); do :; done";

Deno.test("what a command and its children cost is written down; its status stays", async () => {
  const file = await Deno.makeTempFile();
  try {
    const [program = "", ...words] = measuring(file);
    const { code, stdout } = await new Deno.Command(program, {
      args: [...words, "bash", "-c", `bash -c '${BUSY}'; echo "$1"; exit 7`, "bash", "a  b"],
    }).output();
    strictEqual(code, 7);
    strictEqual(new TextDecoder().decode(stdout), "a  b\n");
    const seconds = readTimes(Deno.readTextFileSync(file)) ?? 0;
    ok(seconds > 0.05, `${seconds} s`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("readTimes() adds user and system time of children", () => {
  strictEqual(readTimes("0m1.000s 0m2.000s\n1m4.500s 0m0.250s\n"), 64.75);
  strictEqual(readTimes(""), undefined);
});

Deno.test("processorTime() is that of a process", () => {
  const own = () => processorTime(Deno.pid) ?? 0;
  const before = own();
  const began = performance.now();
  while (performance.now() - began < 10_000 && own() < before + 0.05);
  ok(own() >= before + 0.05);
  strictEqual(processorTime(2 ** 22 + 1), undefined); // above the highest PID (proc_sys_kernel(5), pid_max)
});
