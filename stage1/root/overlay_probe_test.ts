import assert from "node:assert/strict";
import { print } from "../engine/print.ts";
import { overlayProbePlan, overlayWorks } from "./overlay_probe.ts";

/** Whether mount(8) can do it, in a namespace of its own. */
function mounts(directory: string): boolean {
  for (const name of ["lower", "upper", "work", "merged"]) Deno.mkdirSync(`${directory}/${name}`);
  const layers =
    `lowerdir=${directory}/lower,upperdir=${directory}/upper,workdir=${directory}/work`;
  const args = ["-m", "mount", "-t", "overlay", "overlay", "-o", layers, `${directory}/merged`];
  return new Deno.Command("unshare", { args }).outputSync().success;
}

Deno.test("overlayWorks() is right, and leaves nothing mounted", () => {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-overlay-" });
  try {
    for (const name of ["ours", "theirs"]) Deno.mkdirSync(`${directory}/${name}`);
    assert.equal(overlayWorks(`${directory}/ours`), mounts(`${directory}/theirs`));
    assert.ok(!Deno.readTextFileSync("/proc/self/mountinfo").includes(directory));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("the probe mounts as roots are mounted: its end does not write out the whole file system", () => {
  assert.match(print(overlayProbePlan("/tmp").plan).join("\n"), /"volatile"/);
});

Deno.test("overlayWorks() is false on what overlayfs refuses as a layer: another overlay", () => {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-overlay-" });
  try {
    for (const name of ["lower", "upper", "work", "merged"]) Deno.mkdirSync(`${directory}/${name}`);
    const module = new URL("overlay_probe.ts", import.meta.url).href;
    const program = `const { overlayWorks } = await import("${module}"); ` +
      `console.log(overlayWorks("${directory}/merged"))`;
    const layers = "lowerdir=lower,upperdir=upper,workdir=work";
    const { stdout, stderr } = new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", `mount -t overlay none -o ${layers} merged && exec "$@"`, "sh"]
        .concat(Deno.execPath(), "eval", program),
      cwd: directory,
    }).outputSync();
    const decoder = new TextDecoder();
    assert.equal(decoder.decode(stdout), "false\n", decoder.decode(stderr));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
