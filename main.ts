/**
 * rkt runs App Container images. This is where it starts: src/cli/main.ts finds the command and runs it.
 *
 * Two things come before. A `rkt run` that was made before starts without any of this: the launcher (stage1/launcher), with
 * which the executable begins, replays it. And where only rkt can replay it, because of its networks,
 * src/start/cache does. To follow how a pod comes to be, go on in src/cli/main.ts.
 */
import { calledName } from "./src/linux/environment.ts";
import { replayAssisted } from "./src/start/cache/start_cache.ts";

async function start(given: readonly string[]): Promise<number> {
  const argv = given.some((word) => word.includes("\ufffd"))
    ? (await import("./src/linux/environment.ts")).callerWords(given)
    : given;
  try {
    if (argv[0] !== "oci" && argv.includes("run")) await replayAssisted();
  } catch (error) {
    const { report } = await import("./src/cli/main.ts");
    return await report("run", error, argv.includes("--debug"));
  }
  const { main } = await import("./src/cli/main.ts");
  return await main(argv);
}

/** Called by a link of this name, rkt is an OCI runtime. */
const words = calledName().endsWith("rkt-oci") ? ["oci", ...Deno.args] : Deno.args;

// Not with `await`: in the built program, what is loaded later imports this module and would wait for its end.
start(words).then(Deno.exit);
