import { deepStrictEqual } from "node:assert/strict";

const MODULE = new URL("password.ts", import.meta.url).href;

/** What a function of the module returns, or says is wrong, in a process with this standard input. */
async function withInput(input: string | Uint8Array<ArrayBuffer>, call: string): Promise<string> {
  const script = `import { ask, passwordFromInput } from ${JSON.stringify(MODULE)};
    try { console.log("got " + ${call}); } catch (error) { console.log(error.name + ": " + error.message); }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
  await writer.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).trimEnd();
}

const PASSWORDS: Readonly<Record<string, readonly [string, string]>> = {
  "a line": ["secret\n", "got secret"],
  "a text without an end of line": ["secret", "got secret"],
  "a line of Windows": ["sec ret\r\n", "got sec ret"],
  "the longest": ["x".repeat(4096), `got ${"x".repeat(4096)}`],
  nothing: ["", "Failure: there is no password on standard input"],
  "an empty line": ["\n", "Failure: there is no password on standard input"],
  "several lines": ["a\nb\n", "Failure: there are several lines on standard input"],
  "too much": ["x".repeat(5000), "Failure: the password is longer than 4096 bytes"],
};

for (const [what, [input, outcome]] of Object.entries(PASSWORDS)) {
  Deno.test(`passwordFromInput() reads ${what}`, async () => {
    deepStrictEqual(await withInput(input, "passwordFromInput()"), outcome);
  });
}

Deno.test("ask() needs a terminal", async () => {
  deepStrictEqual(
    await withInput("secret\n", 'ask("Password: ", true)'),
    "Failure: there is no terminal to ask on; give --username and --password-stdin",
  );
});
