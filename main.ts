/**
 * rkt runs App Container images. This is where it starts: src/cli/main.ts finds the command and runs it.
 *
 * One thing comes before: a `rkt run` that is word for word the same as an earlier one, with the same images in the
 * store, needs none of the work that led to its pod. What came of that work was written down (src/start/cache/start_cache.ts), and
 * the pod starts from it, in a third of the time. To follow how a pod comes to be, go on in src/cli/main.ts.
 */
import { runRecipe } from "./src/start/cache/start_cache.ts";

async function start(argv: readonly string[]): Promise<number> {
  try {
    if (argv.includes("run")) await runRecipe(argv);
  } catch (error) {
    const { report } = await import("./src/cli/main.ts");
    return report("run", error, argv.includes("--debug"));
  }
  const { main } = await import("./src/cli/main.ts");
  return await main(argv);
}

// Not with `await`: in the built program, what is loaded later imports this module and would wait for its end.
start(Deno.args).then(Deno.exit);
