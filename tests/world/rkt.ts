/** The built binary, for end-to-end tests. */

/** The path of the program under test. */
export const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;

/** The user as whom {@linkcode RKT} runs, where that is not root: see tests/rootless/suite.ts. */
export const USER: number | undefined = Deno.env.has("RKT_TEST_USER")
  ? Number(Deno.env.get("RKT_TEST_USER"))
  : undefined;

if (USER !== undefined) giveAway(USER);

/** Gives what a test makes to the user: directories and files that are new. What is of another owner is made so afterwards. */
function giveAway(user: number): void {
  const { mkdirSync, makeTempDirSync, makeTempDir, writeTextFileSync, writeFileSync } = Deno;
  const give = (path: string | URL) => Deno.chownSync(path, user, user);
  const isThere = (path: string | URL) => {
    try {
      return Deno.lstatSync(path) !== undefined;
    } catch {
      return false;
    }
  };
  const giveNew =
    <A extends [string | URL, ...unknown[]]>(make: (...args: A) => void) => (...args: A) => {
      const old = isThere(args[0]);
      make(...args);
      if (!old) give(args[0]);
    };
  Deno.mkdirSync = giveNew(mkdirSync);
  Deno.writeTextFileSync = giveNew(writeTextFileSync);
  Deno.writeFileSync = giveNew(writeFileSync);
  Deno.makeTempDirSync = (options) => {
    const path = makeTempDirSync(options);
    give(path);
    return path;
  };
  Deno.makeTempDir = async (options) => {
    const path = await makeTempDir(options);
    give(path);
    return path;
  };
}

/** The program, run as root: for images that tests make, whose files have owners. */
export const ROOT_RKT = Deno.env.get("RKT_TEST_ROOT") ?? RKT;

/** How a command has ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs rkt to its end. */
export async function rkt(...args: string[]): Promise<Outcome> {
  return await outcome(RKT, args);
}

/** Runs rkt as root to its end, whoever runs pods. */
export async function rootRkt(...args: string[]): Promise<Outcome> {
  return await outcome(ROOT_RKT, args);
}

async function outcome(program: string, args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
