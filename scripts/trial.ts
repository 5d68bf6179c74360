/**
 * Tries a binary just made: that it starts where it has to rely on itself alone, and that what the
 * user says reaches the program untouched. The packing's own tests are in tests/pack/pack_test.ts.
 */
import { Failure } from "../src/failure.ts";

interface Trial {
  /** What it shows, for the message when it fails. */
  readonly what: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What stdout and stderr together contain. */
  readonly expect: string;
  readonly exitCode: number;
}

const TRIALS: readonly Trial[] = [
  {
    what: "start with an empty environment",
    args: ["version"],
    env: {},
    expect: "rkt",
    exitCode: 0,
  },
  {
    what: "ignore Deno's and Node's variables and what lies in the working directory",
    args: ["version"],
    env: { DENO_V8_FLAGS: "--bogus", NODE_OPTIONS: "--bogus", DENO_CERT: "/nowhere" },
    expect: "rkt",
    exitCode: 0,
  },
  {
    what: "pass Deno's own flags through",
    args: ["--eszip-internal-é", "version"],
    env: {},
    expect: "eszip-internal-é",
    exitCode: 254,
  },
];

/**
 * Runs the trials in a directory with files that Deno would trip over.
 *
 * @throws {Failure} when one does not go as expected
 */
export async function selfTest(binary: string): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-self-test-" });
  try {
    for (const name of ["deno.json", "package.json", "deno.lock", ".npmrc"]) {
      await Deno.writeTextFile(`${dir}/${name}`, "{ broken");
    }
    for (const trial of TRIALS) await tryOut(binary, dir, trial);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function tryOut(binary: string, cwd: string, trial: Trial): Promise<void> {
  const { what, args, env, expect, exitCode } = trial;
  const command = new Deno.Command(binary, { args: [...args], cwd, clearEnv: true, env });
  const { code, stdout, stderr } = await command.output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (code !== exitCode || !text.includes(expect)) {
    throw new Failure(`build: self-test "${what}": exit status ${code}, said: ${text.trim()}`);
  }
}
