/**
 * The engine's machine code, assembled from `engine_x86_64.S` and `engine_aarch64.S` (the test beside this
 * file assembles them again and compares). The sources say what a plan is.
 */

/** The architectures that there is an engine for, by their names in ELF tools. */
export type Architecture = "x86_64" | "aarch64";

/** One architecture's engine. */
export interface Engine {
  /** Position-independent; offset 0 is where a process starts, {@linkcode plan} is filled in before. */
  readonly code: string;
  /** Offset of the function `void run(instruction *plan)`. */
  readonly run: number;
  /** Offset of the eight bytes that hold the address of the plan of a process. */
  readonly plan: number;
}

/** Bytes of an instruction of a plan. */
export const INSTRUCTION_SIZE = 80;

// deno-fmt-ignore
/** The engines, their code in hexadecimal digits. */
export const ENGINES: Readonly<Record<Architecture, Engine>> = {
  x86_64: { run: 10, plan: 0x160, code:
    "4989e4488b3d56010000535541544889fb488b7b08488b7310488b53184c8b53204c8b43284c8b4b308a4b04f6c10174" +
    "03488b3ff6c1027403488b36f6c1047403488b12f6c10874034d8b12f6c11074034d8b00f6c12074034d8b0948630348" +
    "85c0785c0f05488b53384885d274034889028a4b05488b534084c9742b80f9027217741f80f904772874074839d07521" +
    "eb164839d07c1aeb0f483d01f0ffff7310eb054839d074094883c350e960ffffff4889dd4989c4488b5b48e951ffffff" +
    "83f0ff742dffc87431ffc87436ffc8743dffc87444ffc8744dffc87456ffc8745affc87461ffc87465ffc87469415c5d" +
    "5bc34889f8e96cffffff488d0437e963ffffff4889f84829f0e958ffffff4889f84821f0e94dffffff4889f889f148d3" +
    "e0e940ffffff4889f889f148d3e8e933ffffff488b07e92bffffff4889374889f0e920ffffff4889e8e918ffffff4c89" +
    "e0e910ffffff4889fbe9b3feffff66900000000000000000" },
  aarch64: { run: 8, plan: 0x190, code:
    "f5030091600c0058f353bea9f57b01a9f30300aa608640a9628e41a9649642a96912403949000036000040f949000836" +
    "210040f949001036420040f949001836630040f949002036840040f949002836a50040f9680280b9e803f8b7010000d4" +
    "691e40f9490000b4200100f9691640396a2240f9490200343f09007163010054a00100543f110071e801005480000054" +
    "1f000aeb81010054090000141f000aeb2b010054060000141ffc3fb1c2000054030000141f000aeb6000005473420191" +
    "d5ffff17f40313aaf50300aa732640f9d1ffff17e803282a48fcff3408050071c002005408050071c002005408050071" +
    "c002005408050071c002005408050071c002005408050071c002005408050071c002005408050071e002005408050071" +
    "e002005408050071e0020054f57b41a9f353c2a8c0035fd60000018bc9ffff17000001cbc7ffff170000018ac5ffff17" +
    "0020c19ac3ffff170024c19ac1ffff17000040f9bfffff17010000f9e00301aabcffff17e00314aabaffff17e00315aa" +
    "b8ffff17f30300aaa3ffff171f2003d50000000000000000" },
};

/** The engine's bytes. */
export function engineCode(architecture: Architecture): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(ENGINES[architecture].code);
}
