/** Runs filters in tests as the kernel does (net/core/filter.c), for the instructions that compile.ts and rule_filter.ts use. */

/** What a filter looks at: `struct seccomp_data`. */
export interface Call {
  readonly architecture: number;
  readonly number: number;
  readonly arguments?: readonly bigint[];
}

/** The verdict of a filter: one of `SECCOMP_RET_*`, with its data. Throws at what the kernel would refuse. */
export function filtered(program: Uint8Array, call: Call): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.architecture, true);
  call.arguments?.forEach((value, i) => data.setBigUint64(16 + i * 8, value, true));
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const operand = code.getUint32(at * 8 + 4, true);
    const jump = (taken: boolean) => code.getUint8(at * 8 + (taken ? 2 : 3));
    const instruction = code.getUint16(at * 8, true);
    if (instruction === 0x20) accumulator = data.getUint32(operand, true);
    else if (instruction === 0x05) at += operand;
    else if (instruction === 0x54) accumulator = (accumulator & operand) >>> 0;
    else if (instruction === 0x25) at += jump(accumulator > operand);
    else if (instruction === 0x15) at += jump(accumulator === operand);
    else if (instruction === 0x35) at += jump(accumulator >= operand);
    else if (instruction === 0x45) at += jump((accumulator & operand) !== 0);
    else if (instruction === 0x06) return operand;
    else throw new Error(`no instruction ${instruction}`);
  }
  throw new Error("the filter runs over its end");
}
