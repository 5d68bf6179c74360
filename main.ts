/**
 * rkt runs App Container images. This is where it starts: src/cli/main.ts finds the command and runs it.
 *
 * Two things come before. A `rkt run` that was made before starts without any of this: the launcher (stage1/launcher), with
 * which the executable begins, replays it. And where only rkt can replay it, because of its networks,
 * src/start/cache does. To follow how a pod comes to be, go on in src/cli/main.ts.
 */
import { replayAssisted } from "./src/start/cache/start_cache.ts";

async function start(given: readonly string[]): Promise<number> {
  const argv = given.some((word) => word.includes("\ufffd"))
    ? (await import("./src/linux/environment.ts")).callerWords(given)
    : given;
  try {
    if (argv.includes("run")) await replayAssisted();
  } catch (error) {
    const { report } = await import("./src/cli/main.ts");
    return await report("run", error, argv.includes("--debug"));
  }
  const { main } = await import("./src/cli/main.ts");
  return await main(argv);
}

// Not with `await`: in the built program, what is loaded later imports this module and would wait for its end.
start(Deno.args).then(Deno.exit);
