/** What an app's process sets of itself by files of its /proc, while it is still root. */
import * as k from "../../src/linux/constants.ts";
import { type Section, slot } from "../engine/plan.ts";
import type { PodApp } from "../pod.ts";

/** The security label of the program that will be executed. Without it the app does not start. */
export function labelProgram(steps: Section, at: string, { label }: PodApp): void {
  if (label === undefined) return;
  const file = slot("file");
  const what = `set the ${label.module} label ${label.name} ${at}`;
  steps.must(what, "openat", [
    k.AT_FDCWD,
    `/proc/self/${label.file}`,
    k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0,
  ], { store: file });
  steps.must(what, "write", [file, label.text, new TextEncoder().encode(label.text).length], {
    hint: "the policy that is loaded does not know it, or does not let rkt set it",
  });
  steps.attempt("close it", "close", [file]);
}

/** How soon the kernel takes the app where memory is short. To be spared more than rkt itself takes CAP_SYS_RESOURCE. */
export function scoreForMemory(steps: Section, at: string, app: PodApp): void {
  const { oomScoreAdj } = app;
  if (oomScoreAdj === undefined) return;
  const file = slot("file");
  const refused = `oom score refused ${at}`;
  const done = `oom score ${at}`;
  const text = `${oomScoreAdj}`;
  const what = `set the score for lack of memory to ${text} ${at}`;
  steps.attempt(what, "openat", [
    k.AT_FDCWD,
    "/proc/self/oom_score_adj",
    k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0,
  ], { store: file, branch: { when: "error", to: refused } });
  steps.attempt(what, "write", [file, text, text.length], {
    branch: { when: "error", to: refused },
  });
  steps.goto(done);
  steps.label(refused);
  const warning = `run: warning: app "${app.name}": the score for lack of memory can't be ` +
    `${text}: that takes CAP_SYS_RESOURCE\n`;
  steps.attempt("say so", "write", [2, warning, warning.length]);
  steps.label(done);
  steps.attempt("close it", "close", [file]);
}
