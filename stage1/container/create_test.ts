import { deepStrictEqual, match, ok } from "node:assert/strict";
import { assemble } from "../engine/assemble.ts";
import type { Step } from "../engine/plan.ts";
import { printStep } from "../engine/print.ts";
import { findingText, verify } from "../engine/verify.ts";
import * as k from "../../src/linux/constants.ts";
import { containerPlans, CONTAINERS, testContainer } from "../testing/container_variants.ts";
import { createPlan } from "./create.ts";

for (const [name, plan] of containerPlans()) {
  Deno.test(`the plan of a container has no fault: ${name}`, () => {
    deepStrictEqual(verify(plan).map(findingText), []);
    for (const architecture of ["x86_64", "aarch64"] as const) {
      const { size, emit } = assemble(plan, architecture);
      ok(emit({ setup: 0x400000, resident: 0x500000, data: 0x600000 }).setup.length === size.setup);
    }
  });
}

/** The steps of a container's plan, as they are printed. */
const steps = (name: string): readonly string[] =>
  createPlan(testContainer(CONTAINERS[name])).setup
    .filter((item): item is Step => item.kind === "step").map(printStep);

/** Where the first step is that has all of these texts. */
function at(all: readonly string[], ...texts: readonly string[]): number {
  const found = all.findIndex((step) => texts.every((text) => step.includes(text)));
  ok(found >= 0, `there is no step with ${texts.join(", ")}`);
  return found;
}

Deno.test("a container's process gives up its privileges in an order that leaves it none to get them back", () => {
  const all = steps("everything made");
  const order = [
    at(all, "close_range(6"),
    at(all, "PR_CAPBSET_DROP"),
    at(all, "setgroups(2"),
    at(all, "setresgid(1000"),
    at(all, "setresuid(1000"),
    at(all, "capset"),
    at(all, "PR_SET_NO_NEW_PRIVS"),
    at(all, "read(200"),
    at(all, "seccomp("),
    all.findLastIndex((step) => step.startsWith("execve(")),
  ];
  deepStrictEqual(order, order.toSorted((a, b) => a - b));
});

Deno.test("covers and read-only paths are there before the root changes, and the root is read-only after", () => {
  const all = steps("everything made");
  const pivot = at(all, "pivot_root");
  ok(at(all, "openat2", "proc/kcore") < pivot);
  ok(at(all, "openat2", "proc/sys") < pivot);
  const last = all.findLastIndex((step) => step.includes("MOUNT_ATTR_RDONLY"));
  ok(last > pivot);
});

Deno.test("paths of the image are opened below its root, and links lead into /proc for nobody", () => {
  const all = steps("everything made");
  const opens = all.filter((step) => step.startsWith("openat2(<root>"));
  ok(opens.length > 10);
  for (const open of opens) match(open, /RESOLVE_IN_ROOT/);
  ok(all.filter((step) => step.startsWith("fstatfs(")).length >= 3);
});

Deno.test("a hook's failure ends what makes the container, but for those behind its end", () => {
  const plan = createPlan(testContainer(CONTAINERS.hooks));
  const texts = JSON.stringify(plan.setup);
  const points = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"];
  for (const point of points) {
    ok(texts.includes(`error running ${point} hook 0`), point);
  }
  ok(!texts.includes("error running poststop"));
});

Deno.test("a container that can't be made leaves neither cgroups nor state", () => {
  const all = steps("everything made");
  const failed = all.slice(0, at(all, "socketpair"));
  at(failed, "kill(<init>, SIGKILL)");
  at(failed, "unlinkat", '"/sys/fs/cgroup/one"');
  at(failed, "unlinkat", "/run/rkt-oci/one/state.json");
  at(failed, "unlinkat", '"/run/rkt-oci/one"');
});

Deno.test("namespaces that are there are entered by a process of its own, that of users first", () => {
  const all = steps("namespaces joined");
  const entered = all.filter((step) => step.startsWith("setns("));
  match(entered[0] ?? "", /CLONE_NEWUSER/);
  match(entered[1] ?? "", /CLONE_NEWPID/);
  ok(at(all, "clone(", "CLONE_PARENT") > at(all, "setns("));
  ok(at(all, "unshare(CLONE_NEWTIME") > at(all, "setns("));
});

Deno.test("failures for a log are written as the inside of a string of JSON", () => {
  const said = testContainer({
    log: ['{"msg":"', '"}\n'],
    process: { ...testContainer().process, arguments: ['a"b\\c\n'], executables: ['/a"b\\c\n'] },
  });
  const plan = createPlan(said);
  const { emit, size } = assemble(plan, "x86_64");
  const bytes = emit({ setup: 0x400000, resident: 0x500000, data: 0x600000 }).setup;
  ok(size.setup > 0);
  const text = new TextDecoder("latin1").decode(bytes);
  ok(text.includes('exec: \\"a\\"b\\\\c\\n\\"') || text.includes('stat a\\"b\\\\c'), "escaped");
});

Deno.test("the namespaces that are asked for are made, and no others", () => {
  const made = (changes: Parameters<typeof testContainer>[0]) =>
    createPlan(testContainer(changes)).setup
      .flatMap((item) => item.kind === "step" && item.call === "clone" ? [item.arguments[0]] : []);
  const all = k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWIPC | k.CLONE_NEWUTS;
  for (const flags of [k.CLONE_NEWNS, k.CLONE_NEWNS | k.CLONE_NEWPID, all]) {
    const { namespaces } = testContainer();
    ok(made({ namespaces: { ...namespaces, made: flags } }).includes(flags | k.SIGCHLD));
  }
});
