/**
 * The runtime specification sentence by sentence, as far as a container can see it. What a plan shows, and what is refused, is in
 * src/runtime/specification_test.ts.
 */
import assert from "node:assert/strict";
import { RuntimeWorld } from "../world/runtime_world.ts";
import { CONFINEMENT_EXAMPLES } from "./sentences/confinement.ts";
import { MOUNT_EXAMPLES } from "./sentences/mounts.ts";
import { PROCESS_EXAMPLES } from "./sentences/process.ts";
import type { Example } from "./sentences/sentence.ts";

const SHARED = "/run/rkt-sentences";

let world: RuntimeWorld;
Deno.test.beforeAll(async () => {
  world = await RuntimeWorld.make();
  // A shared mount with one below it, which mounts.ts binds.
  for (const words of [["tmpfs", SHARED], ["tmpfs", `${SHARED}/sub`]] as const) {
    Deno.mkdirSync(words[1]);
    await host("mount", "-t", words[0], words[0], words[1]);
  }
  await host("mount", "--make-rshared", SHARED);
  Deno.writeTextFileSync(`${SHARED}/file`, "of the host\n");
  Deno.writeTextFileSync(`${SHARED}/sub/inner`, "inner\n");
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host("umount", "--recursive", SHARED);
  Deno.removeSync(SHARED);
});

async function host(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

/** Runs an example: the answers by the names of the questions. */
async function answersOf({ changes, questions }: Example): Promise<ReadonlyMap<string, string>> {
  const script = Object.entries(questions).map(([name, command]) =>
    `echo "=== ${name}"; ${command}\n`
  );
  // What the example gives as arguments stays, behind the script.
  const given = changes.process?.args;
  const args = ["sh", "-c", script.join(""), ...Array.isArray(given) ? given.slice(3) : []];
  const output = await world.output({ ...changes, process: { ...changes.process, args } });
  return new Map(
    output.split(/^=== /m).slice(1).map((answer) => {
      const at = answer.indexOf("\n");
      return [answer.slice(0, at), answer.slice(at + 1).trimEnd()];
    }),
  );
}

for (const example of [...PROCESS_EXAMPLES, ...MOUNT_EXAMPLES, ...CONFINEMENT_EXAMPLES]) {
  let answers: Promise<ReadonlyMap<string, string>> | undefined;
  for (const [where, says, question, expected] of example.seen) {
    Deno.test(`${where}: ${says}`, async () => {
      answers ??= answersOf(example);
      const answer = (await answers).get(question) ?? "nothing was asked";
      if (typeof expected === "string") assert.equal(answer, expected);
      else assert.match(answer, expected);
    });
  }
}
