/**
 * Says at which steps of their plans the processes of a pod were when perf(1) looked:
 *
 *     perf record -e cpu-clock --user-regs=bx -p PID,… ; perf script -F comm,uregs | deno run -A stage1/testing/perf_steps.ts /proc/PID/exe
 *
 * On aarch64 the register is x19. perf itself names functions by the instruction pointer, which is in the engine or the kernel.
 */
import { type ElfSymbol, elfSymbols } from "./process_step.ts";

/** The register that has the address of a step, as perf names it. */
const REGISTER = Deno.build.arch === "aarch64" ? "x19" : "BX";

/**
 * Counts the samples of each step, the most frequent first. What is at no step (an app, after execve(2)) is left out.
 *
 * @param samples what `perf script -F comm,uregs` prints
 */
export function countSteps(
  samples: string,
  symbols: readonly ElfSymbol[],
  register = REGISTER,
): readonly (readonly [count: number, process: string, step: string])[] {
  const line = new RegExp(`^ *(\\S.*?)(?: +[0-9a-f]{4,16})? ABI:\\d.* ${register}:(0x[0-9a-f]+)`);
  const found = samples.split("\n").flatMap((text) => {
    const [, process = "", address] = line.exec(text) ?? [];
    const at = Number(address);
    const symbol = symbols.find(({ address, size }) => address <= at && at < address + size);
    return symbol === undefined ? [] : [`${process}\t${symbol.name}`];
  });
  return Object.entries(Object.groupBy(found, (key) => key))
    .map(([key, { length = 0 } = []]) => {
      const [process = "", step = ""] = key.split("\t");
      return [length, process, step] as const;
    })
    .toSorted(([a], [b]) => b - a);
}

if (import.meta.main) {
  const [program] = Deno.args;
  const symbols = program === undefined ? [] : elfSymbols(Deno.readFileSync(program));
  if (symbols.length === 0) {
    console.error(
      "perf_steps: usage: perf script -F comm,uregs | deno run -A stage1/testing/perf_steps.ts PROGRAM; " +
        "PROGRAM is /proc/PID/exe of a process of rkt --debug run",
    );
    Deno.exit(1);
  }
  const samples = await new Response(Deno.stdin.readable).text();
  for (const [count, process, step] of countSteps(samples, symbols)) {
    console.log(`${String(count).padStart(8)}  ${process.padEnd(16)} ${step}`);
  }
}
