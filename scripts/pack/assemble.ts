/**
 * Assembles the entry stubs and writes their bytes to stub_bytes.ts: `deno run -A
 * scripts/pack/assemble.ts`. Needs `as` and `objcopy` of binutils and of its aarch64 cross build.
 * The build itself uses the bytes that are checked in; a test compares them with the sources.
 */

/** An architecture that a stub exists for, by Deno's name (`Deno.build.arch`). */
export type StubArch = "x86_64" | "aarch64";

/** The architectures and the prefixes of their tools. The native tools of either have none. */
const TOOLS: Readonly<Record<StubArch, string>> = {
  x86_64: "x86_64-linux-gnu-",
  aarch64: "aarch64-linux-gnu-",
};

async function tool(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args }).output();
  if (code !== 0) throw new Error(`${command}: ${new TextDecoder().decode(stderr).trim()}`);
}

/**
 * The machine code of a stub's source.
 *
 * @throws {Error} with the assembler's message
 */
export async function assembleStub(arch: StubArch): Promise<Uint8Array<ArrayBuffer>> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-stub-" });
  try {
    const source = new URL(`stub_${arch}.S`, import.meta.url).pathname;
    await tool(`${TOOLS[arch]}as`, "-o", `${dir}/stub.o`, source);
    await tool(
      `${TOOLS[arch]}objcopy`,
      "-O",
      "binary",
      "-j",
      ".text",
      `${dir}/stub.o`,
      `${dir}/bin`,
    );
    return await Deno.readFile(`${dir}/bin`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Machine code as the lines of a template string: 48 bytes a line. */
function lines(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return Array.from(
    { length: Math.ceil(hex.length / 96) },
    (_, i) => hex.slice(96 * i, 96 * i + 96),
  )
    .join("\n");
}

async function main(): Promise<void> {
  const stubs = await Promise.all(
    (["x86_64", "aarch64"] as const).map(async (arch) =>
      `  ${arch}: fromHex(\`\n${lines(await assembleStub(arch))}\`),\n`
    ),
  );
  const text = `/** Made by assemble.ts from stub_x86_64.S and stub_aarch64.S: do not edit. */

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replaceAll("\\n", ""));
}

/** The machine code of the entry stubs, by \`Deno.build.arch\`. */
export const STUBS = {
${stubs.join("")}} as const;
`;
  await Deno.writeTextFile(new URL("stub_bytes.ts", import.meta.url), text);
}

if (import.meta.main) await main();
