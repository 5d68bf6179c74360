/** The sentences of the runtime specification that a plan can show, each a test of its own. */
import { match, ok, throws } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { planLines } from "../start/dry_run.ts";
import { plannedContainer } from "./create_container.ts";
import { CONFIG_SENTENCES } from "./testing/config_sentences.ts";
import { LINUX_SENTENCES } from "./testing/linux_sentences.ts";
import type { Configured, Sentence } from "./testing/sentences.ts";

const bundle = Deno.makeTempDirSync({ prefix: "rkt-sentences-" });
Deno.mkdirSync(`${bundle}/rootfs/etc`, { recursive: true });
Deno.writeTextFileSync(`${bundle}/rootfs/etc/passwd`, "root:x:0:0::/root:/bin/sh\n");
globalThis.addEventListener("unload", () => Deno.removeSync(bundle, { recursive: true }));

/** A configuration that asks for little. */
function configuration({ process, linux, ...rest }: Configured): unknown {
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    hostname: "",
    ...rest,
    ...!Object.hasOwn(rest, "process") && {
      process: { args: ["/bin/sh"], cwd: "/", user: { uid: 0, gid: 0 }, ...process },
    },
    linux: {
      namespaces: [{ type: "mount" }, { type: "pid" }, { type: "uts" }],
      ...linux,
    },
  };
}

function planText(of: Configured): string {
  const hasNone = Object.hasOwn(of, "process") && of.process === undefined;
  const spec = configuration(of);
  Deno.writeTextFileSync(
    `${bundle}/config.json`,
    JSON.stringify(hasNone ? { ...spec as object, process: undefined } : spec),
  );
  const plan = plannedContainer({
    ...{ id: "one", root: "/run/rkt-oci", bundle, pivots: true, newKeyring: true, preserved: 0 },
    systemdCgroup: false,
  });
  // What a step is for stands in a line of its own where the step is long.
  return planLines(plan, "steps").join("\n").replace(/\n {8,}# /g, "  # ");
}

function check({ of, expected }: Sentence): void {
  if ("refuses" in expected) {
    throws(() => planText(of), (error) => {
      ok(error instanceof Failure, String(error));
      match(error.message, expected.refuses);
      return true;
    });
    return;
  }
  const text = planText(of);
  if ("lacks" in expected) return ok(!expected.lacks.test(text), `there is ${expected.lacks}`);
  let rest = text;
  for (const wanted of expected.has) {
    const found = wanted.exec(rest);
    ok(found !== null, `there is no ${wanted}`);
    rest = rest.slice(found.index + found[0].length);
  }
}

for (const sentence of [...CONFIG_SENTENCES, ...LINUX_SENTENCES]) {
  Deno.test(`specification: ${sentence.says}`, () => check(sentence));
}
