/** Says at which step a process of the engine is, by the engine's register and the symbols of its executable. */
import assert from "node:assert/strict";

/** A symbol of an executable (elf(5)). */
export interface ElfSymbol {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  readonly type: number;
  /** The name of its section. */
  readonly section: string;
}

interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
}

const SHT_SYMTAB = 2;

/** The sections of an executable; none where it has no section header table. */
export function elfSections(file: Uint8Array<ArrayBuffer>): readonly ElfSection[] {
  const view = new DataView(file.buffer);
  const at = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const header = (i: number) => {
    const from = at + i * 64;
    return {
      name: view.getUint32(from, true),
      type: view.getUint32(from + 4, true),
      address: Number(view.getBigUint64(from + 16, true)),
      offset: Number(view.getBigUint64(from + 24, true)),
      size: Number(view.getBigUint64(from + 32, true)),
    };
  };
  const names = header(view.getUint16(62, true));
  return Array.from({ length: count }, (_, i) => header(i))
    .map((each) => ({ ...each, name: text(file, names.offset + each.name) }));
}

/** The symbols of an executable; none where it has no table of them. */
export function elfSymbols(file: Uint8Array<ArrayBuffer>): readonly ElfSymbol[] {
  const sections = elfSections(file);
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  const strings = sections.find(({ name }) => name === ".strtab");
  if (table === undefined || strings === undefined) return [];
  const view = new DataView(file.buffer);
  return Array.from({ length: table.size / 24 - 1 }, (_, i) => table.offset + (i + 1) * 24)
    .map((at) => ({
      name: text(file, strings.offset + view.getUint32(at, true)),
      type: view.getUint8(at + 4) & 15,
      section: sections[view.getUint16(at + 6, true)]?.name ?? "",
      address: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
    }));
}

function text(file: Uint8Array, at: number): string {
  return new TextDecoder().decode(file.subarray(at, file.indexOf(0, at)));
}

const PTRACE_DETACH = 17;
const PTRACE_GETREGSET = 0x4204;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const NT_PRSTATUS = 1n;
const __WALL = 0x40000000;

/** Where the register of {@linkcode STEP_REGISTER} stands in NT_PRSTATUS (asm/ptrace.h): its number of eight bytes. */
const STEP_INDEX = { x86_64: 5, aarch64: 19 };

/** A register of a process, which it is stopped for (ptrace(2)). */
function stepRegister(pid: number): number {
  const libc = Deno.dlopen("libc.so.6", {
    ptrace: { parameters: ["i64", "i32", "u64", "buffer"], result: "i64" },
    waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  });
  const { ptrace, waitpid } = libc.symbols;
  assert.equal(ptrace(BigInt(PTRACE_SEIZE), pid, 0n, null), 0n, `trace process ${pid}`);
  try {
    assert.equal(ptrace(BigInt(PTRACE_INTERRUPT), pid, 0n, null), 0n);
    const status = new Uint8Array(4);
    assert.equal(waitpid(pid, status, __WALL), pid);
    const registers = new BigUint64Array(64);
    const at = Deno.UnsafePointer.value(Deno.UnsafePointer.of(registers));
    const iovec = new BigUint64Array([at, BigInt(registers.byteLength)]);
    assert.equal(ptrace(BigInt(PTRACE_GETREGSET), pid, NT_PRSTATUS, iovec), 0n);
    return Number(registers[STEP_INDEX[Deno.build.arch]]);
  } finally {
    ptrace(BigInt(PTRACE_DETACH), pid, 0n, null);
  }
}

/** A process that executes the engine, and sleeps in a system call. */
export interface SleepingStep {
  /** The label in front of its step, by the engine's register, which a debugger reads. */
  readonly register: string | undefined;
  /** The same, by the last argument of the call, as /proc/PID/syscall shows it to everybody (proc_pid_syscall(5)). */
  readonly lastArgument: string | undefined;
}

/**
 * The step that a process is at. Its system call and the arguments that count would not say it: several steps may wait for
 * the same signals.
 *
 * @throws {Error} where the program has no symbols, or the process does not sleep in a step of the engine
 */
export function stepOf(pid: number): SleepingStep {
  const symbols = elfSymbols(Deno.readFileSync(`/proc/${pid}/exe`));
  const at = (address: number) =>
    symbols.find((symbol) => symbol.address <= address && address < symbol.address + symbol.size);
  const line = Deno.readTextFileSync(`/proc/${pid}/syscall`).trim();
  const [, , , , , , last, , code] = line.split(" ").map(Number);
  assert.equal(at(code ?? NaN)?.name, "engine", `process ${pid} is not in the engine: ${line}`);
  return { register: at(stepRegister(pid))?.name, lastArgument: at(last ?? NaN)?.name };
}
