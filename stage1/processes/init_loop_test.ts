import { nth } from "../testing/nth.ts";
import assert from "node:assert/strict";
import {
  callsOf,
  type Event,
  exited,
  killedBy,
  runPod,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";
import { DEFAULT_LIFECYCLE } from "../app/restart_policy.ts";
import * as k from "../../src/linux/constants.ts";
import { MEMORY } from "../engine/elf.ts";
import type { AppLifecycle, Pod, PodApp, RestartPolicy } from "../pod.ts";

/** The PIDs of the processes that init makes, in their order. */
const [P1, P2, P3, P4, P5] = [2, 3, 4, 5, 6];

const init = (apps: readonly PodApp[], ...events: readonly Event[]) => play(testPod(apps), events);

/** Init's lifecycle: it is the child of the first clone(2), and the parent of all other ones. */
function play(
  pod: Pod,
  events: readonly Event[],
  forks: readonly number[] = [P1, P2, P3, P4, P5],
) {
  return runPod(pod, { clones: [0, ...forks], events });
}

const ends = (...children: readonly (readonly [number, number])[]): Event => ({ ended: children });

/** The timer of the first app that has one runs out. */
const RESTED: Event = { ranOut: 0 };

function living(
  lifecycle: Partial<Omit<AppLifecycle, "restart">> & { restart?: Partial<RestartPolicy> },
): AppLifecycle {
  const restart: RestartPolicy = {
    ...DEFAULT_LIFECYCLE.restart,
    most: Infinity,
    ...lifecycle.restart,
  };
  return { ...DEFAULT_LIFECYCLE, ...lifecycle, restart };
}

const always = (name: string, changes: Partial<RestartPolicy> = {}) =>
  testApp(name, { lifecycle: living({ restart: { when: "always", ...changes } }) });

const command = (word: string) => ({ executables: [`/bin/${word}`], arguments: [word] });

const forks = (run: ReturnType<typeof init>): number =>
  // Several apps enter the mounts that init holds for them; one alone copies init's.
  callsOf(run, "clone").filter(([, flags]) =>
    flags === k.SIGCHLD || flags === (k.CLONE_NEWNS | k.SIGCHLD)
  ).length;

/** The exit statuses that are noted, and the counts of restarts. */
function noted(run: ReturnType<typeof init>): readonly string[] {
  return run.written.flatMap(([name, bytes]) => {
    if (/^[a-z]+$/.test(name) && name !== "ppid") {
      return [`${name}=${new TextDecoder().decode(bytes)}`];
    }
    if (!name.endsWith("-restarts")) return [];
    return [`${name}=${new DataView(bytes.buffer).getUint32(0, true)}`];
  });
}

const WAITING = { kind: "waiting", call: "rt_sigtimedwait" };

Deno.test("an app with --restart=always is started again when its timer has run out", () => {
  for (const status of [exited(0), exited(3), killedBy(11)]) {
    const rests = init([always("one")], ends([P1, status]));
    assert.deepEqual(rests.end, WAITING);
    assert.equal(forks(rests), 1);
    assert.deepEqual(noted(rests), []);
    const runs = init([always("one")], ends([P1, status]), RESTED);
    assert.deepEqual(runs.end, WAITING);
    assert.equal(forks(runs), 2);
    assert.deepEqual(noted(runs), ["one-restarts=1"]);
  }
});

Deno.test("an app that rests is not started by another child's end", () => {
  const run = init([always("one")], ends([P1, exited(1)]), ends([50, 0]), ends([51, 0]));
  assert.equal(forks(run), 1);
});

Deno.test("an app with --restart=on-failure is started again when it fails, and ends when it succeeds", () => {
  const app = testApp("one", { lifecycle: living({ restart: { when: "on-failure" } }) });
  const run = init([app], ends([P1, exited(3)]), RESTED, ends([P2, exited(0)]));
  assert.deepEqual(run.end, { kind: "exit", code: 0 });
  assert.deepEqual(noted(run), ["one-restarts=1", "one=0"]);
});

Deno.test("an app with --restart=on-failure:2 is started three times, and its last status is the pod's", () => {
  const app = testApp("one", { lifecycle: living({ restart: { when: "on-failure", most: 2 } }) });
  const events = [
    ends([P1, exited(3)]),
    RESTED,
    ends([P2, exited(4)]),
    RESTED,
    ends([P3, exited(5)]),
  ];
  const run = init([app], ...events);
  assert.deepEqual(run.end, { kind: "exit", code: 5 });
  assert.deepEqual(noted(run), ["one-restarts=1", "one-restarts=2", "one=5"]);
});

Deno.test("each delay is twice the one before, up to ten seconds", () => {
  const pids = Array.from({ length: 12 }, (_, i) => i + 2);
  const events = pids.slice(0, -1).flatMap((pid) => [ends([pid, exited(1)]), RESTED]);
  const rests = (delay: number) =>
    play(testPod([always("one", { delay })]), events, pids).timers
      .map(([, milliseconds]) => milliseconds)
      .filter((_, i) => i % 2 === 1); // between them the time of running is measured
  assert.deepEqual(rests(100), [
    100,
    200,
    400,
    800,
    1600,
    3200,
    6400,
    10_000,
    10_000,
    10_000,
    10_000,
  ]);
  assert.deepEqual(rests(12_000), Array(11).fill(12_000));
  assert.deepEqual(rests(0), Array(11).fill(1e-6));
});

Deno.test("after ten seconds of running the first delay is the next one again", () => {
  const crash = (pid: number) => ends([pid, exited(1)]);
  const events = [crash(P1), RESTED, crash(P2), RESTED, RESTED, crash(P3), RESTED, crash(P4)];
  const times = play(testPod([always("one")]), events).timers.map(([, time]) => time);
  assert.deepEqual(times, [10_000, 100, 10_000, 200, 10_000, 100, 10_000, 200]);
});

Deno.test("what is left of an app's process group is killed before it is started again, else left alone", () => {
  const again = init([always("one")], ends([P1, exited(1)]));
  assert.deepEqual(callsOf(again, "kill"), [["kill", -P1, k.SIGKILL]]);
  const both = init([always("one"), testApp("two")], ends([P2, exited(0)]));
  assert.deepEqual(callsOf(both, "kill"), []);
});

Deno.test("an app that was asked to stop is not started again", () => {
  for (const signal of [k.SIGTERM, k.SIGINT]) {
    const run = init([always("one")], signal, ends([P1, killedBy(signal)]));
    assert.deepEqual(run.end, { kind: "exit", code: 128 + signal });
  }
  const rests = init([always("one")], ends([P1, exited(3)]), k.SIGTERM);
  assert.deepEqual(rests.end, { kind: "exit", code: 3 });
  assert.deepEqual(noted(rests), ["one=3"]);
});

Deno.test("an app that dies by a signal that does not ask to stop is started again", () => {
  const run = init([always("one")], k.SIGHUP, ends([P1, killedBy(k.SIGHUP)]), RESTED);
  assert.equal(forks(run), 2);
});

Deno.test("an app that rests ends when another one ends the pod", () => {
  for (const [apps, fails] of [[["one", "two"], P2], [["two", "one"], P1]] as const) {
    const pod = apps.map((name) => name === "one" ? always(name) : testApp(name));
    const rests = fails === P2 ? P1 : P2;
    const run = init(pod, ends([rests, exited(3)]), ends([fails, exited(4)]));
    assert.deepEqual(run.end, { kind: "exit", code: 4 });
    assert.deepEqual(noted(run).toSorted(), ["one=3", "two=4"]);
  }
});

Deno.test("an app with --on-exit=keep that fails leaves the others running, and its status is the pod's if no other one fails", () => {
  const apps = [testApp("one", { lifecycle: living({ keep: true }) }), testApp("two")];
  const kept = init(apps, ends([P1, exited(3)]));
  assert.deepEqual(kept.end, WAITING);
  assert.deepEqual(callsOf(kept, "kill"), []);
  for (const [other, code] of [[0, 3], [5, 5]] as const) {
    const run = init(apps, ends([P1, exited(3)]), ends([P2, exited(other)]));
    assert.deepEqual(run.end, { kind: "exit", code });
  }
});

Deno.test("an app starts when those that it starts after have started, in whatever order they stand", () => {
  const third = testApp("three", { lifecycle: living({ after: ["one", "two"] }) });
  const two = testApp("two", { lifecycle: living({ after: ["one"] }) });
  for (const apps of [[third, two, testApp("one")], [testApp("one"), two, third]]) {
    const run = init(apps);
    const started = run.opened.filter((name) => name.endsWith("-started"));
    assert.deepEqual(started, ["one-started", "two-started", "three-started"]);
  }
});

Deno.test("an app waits for the pre-start of those that it starts after", () => {
  const apps = [
    testApp("two", { lifecycle: living({ after: ["one"] }) }),
    testApp("one", { preStart: command("prepare") }),
  ];
  const waits = init(apps);
  assert.equal(forks(waits), 1);
  assert.deepEqual(waits.opened.filter((name) => name.endsWith("-started")), []);
  const goes = init(apps, ends([P1, exited(0)]));
  assert.deepEqual(goes.opened.filter((name) => name.endsWith("-started")), [
    "one-started",
    "two-started",
  ]);
});

Deno.test("an app that waits for one that will never start ends with the pod, or starts if that is kept", () => {
  const after = testApp("two", { lifecycle: living({ after: ["one"] }) });
  const ending = testApp("one", { preStart: command("prepare") });
  const ended = init([ending, after], ends([P1, exited(9)]));
  assert.deepEqual(ended.end, { kind: "exit", code: 9 });
  assert.deepEqual(noted(ended), ["one=9"]);
  const kept = init(
    [{ ...ending, lifecycle: living({ keep: true }) }, after],
    ends([P1, exited(9)]),
  );
  assert.equal(forks(kept), 2);
});

Deno.test("main starts when pre-start has succeeded", () => {
  const app = testApp("one", { preStart: command("prepare") });
  const prepares = init([app]);
  assert.equal(forks(prepares), 1);
  assert.deepEqual(prepares.opened.filter((name) => name.startsWith("one")), []);
  const runs = init([app], ends([P1, exited(0)]), ends([P2, exited(5)]));
  assert.deepEqual(runs.end, { kind: "exit", code: 5 });
});

Deno.test("a pre-start that fails ends the app with its status, and is told of; post-stop does not run", () => {
  const app = testApp("one", { preStart: command("prepare"), postStop: command("clean") });
  for (const [status, code] of [[exited(9), 9], [killedBy(15), 143], [exited(100), 100]] as const) {
    const run = init([app], ends([P1, status]));
    assert.deepEqual(run.end, { kind: "exit", code });
    assert.deepEqual(run.said, [`stage1: app "one": pre-start failed with status ${code}\n`]);
    assert.deepEqual(noted(run), [`one=${code}`]);
    assert.equal(forks(run), 1);
  }
});

Deno.test("post-stop runs however main has ended, and the app's status is main's", () => {
  const app = testApp("one", { postStop: command("clean") });
  for (const [status, code] of [[exited(0), 0], [exited(3), 3], [killedBy(9), 137]] as const) {
    const cleans = init([app], ends([P1, status]));
    assert.deepEqual(cleans.end, WAITING);
    assert.deepEqual(noted(cleans), []);
    const run = init([app], ends([P1, status]), ends([P2, exited(0)]));
    assert.deepEqual(run.end, { kind: "exit", code });
    assert.deepEqual(run.said, []);
  }
});

Deno.test("a post-stop that fails is told of, and counts if main has not failed", () => {
  const app = testApp("one", { postStop: command("clean") });
  for (const [main, code] of [[0, 6], [3, 3]] as const) {
    const run = init([app], ends([P1, exited(main)]), ends([P2, exited(6)]));
    assert.deepEqual(run.end, { kind: "exit", code });
    assert.deepEqual(run.said, ['stage1: app "one": post-stop failed with status 6\n']);
  }
});

Deno.test("post-stop also runs when the pod was asked to stop or is killed, and gets the grace time", () => {
  const app = testApp("one", { postStop: command("clean") });
  const stopped = init([app], k.SIGTERM, ends([P1, killedBy(15)]));
  assert.equal(forks(stopped), 2);
  const killed = init([app], k.SIGALRM, ends([P1, killedBy(9)]), k.SIGALRM);
  assert.equal(forks(killed), 2);
  assert.deepEqual(callsOf(killed, "kill"), [["kill", -1, k.SIGKILL], ["kill", -1, k.SIGKILL]]);
  assert.equal(callsOf(killed, "setitimer").length, 2);
});

Deno.test("an app that is started again goes through pre-start, main and post-stop", () => {
  const app = { ...always("one"), preStart: command("prepare"), postStop: command("clean") };
  const events = [ends([P1, 0]), ends([P2, exited(1)]), ends([P3, 0]), RESTED, ends([P4, 0])];
  const run = init([app], ...events);
  assert.equal(forks(run), 5);
  assert.deepEqual(run.opened.filter((name) => name.startsWith("one")), [
    "one-pid",
    "one-started",
    "one-pid",
    "one-restarts",
    "one-pid",
    "one-started",
  ]);
});

Deno.test("signals reach main, those that end processes reach pre-start too, and none reaches post-stop", () => {
  const app = testApp("one", { preStart: command("prepare"), postStop: command("clean") });
  const signals = [k.SIGHUP, k.SIGUSR1, k.SIGWINCH, k.SIGQUIT, k.SIGTERM, k.SIGINT];
  const kills = (...events: readonly Event[]) => callsOf(init([app], ...events), "kill");
  for (const signal of signals) {
    const ending = [k.SIGQUIT, k.SIGTERM, k.SIGINT].includes(signal);
    assert.deepEqual(kills(signal), ending ? [["kill", P1, signal]] : []);
    assert.deepEqual(kills(ends([P1, 0]), signal), [["kill", P2, signal]]);
    assert.deepEqual(kills(ends([P1, 0]), ends([P2, 0]), signal), []);
  }
});

Deno.test("TERM reaches each app as its own stop signal, and other signals as they are", () => {
  const apps = [testApp("one", { stopSignal: k.SIGQUIT }), testApp("two")];
  const kills = (...events: readonly Event[]) => callsOf(init(apps, ...events), "kill");
  assert.deepEqual(kills(k.SIGTERM), [["kill", P1, k.SIGQUIT], ["kill", P2, k.SIGTERM]]);
  assert.deepEqual(kills(k.SIGINT), [["kill", P1, k.SIGINT], ["kill", P2, k.SIGINT]]);
  assert.deepEqual(kills(ends([P2, exited(1)])), [["kill", P1, k.SIGQUIT]]);
});

Deno.test("an app that is asked to stop before its main runs is not started, and fails no one", () => {
  const app = testApp("one", { preStart: command("prepare"), postStop: command("clean") });
  const run = init([app], k.SIGTERM, ends([P1, exited(0)]));
  assert.deepEqual(run.end, { kind: "exit", code: 0 });
  assert.deepEqual(noted(run), []);
});

Deno.test("a failing app stops those that run or prepare, and lets post-stop end", () => {
  const apps = [
    testApp("one"),
    testApp("two", { preStart: command("prepare") }),
    testApp("three", { postStop: command("clean") }),
  ];
  const run = init(apps, ends([P3, exited(0)]), ends([P1, exited(8)]));
  assert.deepEqual(callsOf(run, "kill"), [["kill", P2, k.SIGTERM]]);
  assert.deepEqual(run.end, WAITING);
});

Deno.test("a process that can't be made counts as a failure, and is told of", () => {
  const failing = (apps: readonly PodApp[], forks: readonly number[], ...events: Event[]) =>
    play(testPod(apps), events, forks);
  const EAGAIN = -11;
  const main = failing([testApp("one"), testApp("two")], [P1, EAGAIN], ends([P1, killedBy(15)]));
  assert.deepEqual(main.end, { kind: "exit", code: 254 });
  assert.deepEqual(callsOf(main, "kill"), [["kill", P1, k.SIGTERM]]);
  assert.deepEqual(main.said, [
    'stage1: app "two": no process could be made for it, status 254\n',
  ]);
  const again = failing([always("one")], [P1, EAGAIN, P2], ends([P1, 0]), RESTED, RESTED);
  assert.equal(forks(again), 3);
  const post = testApp("one", { postStop: command("clean") });
  const cleaning = failing([post], [P1, EAGAIN], ends([P1, exited(3)]));
  assert.deepEqual(cleaning.end, { kind: "exit", code: 3 });
  assert.deepEqual(cleaning.said, ['stage1: app "one": post-stop failed with status 254\n']);
});

Deno.test("init keeps what later forks need, and gives it back where there will be none", () => {
  const released = (app: PodApp) =>
    callsOf(init([app]), "munmap", "madvise", "close").slice(-5)
      .map(([call, what]) => [call, what]);
  const { notInit, afterInit, afterSpawn, init: ofInit } = MEMORY;
  const all = [
    ["munmap", notInit.address],
    ["munmap", afterInit.address],
    ["close", 0],
    ["close", 1],
    ["madvise", ofInit.address],
  ];
  assert.deepEqual(released(testApp("one")), all);
  assert.deepEqual(released(testApp("one", { lifecycle: living({ keep: true }) })), all);
  for (const app of [always("one"), testApp("one", { postStop: command("clean") })]) {
    assert.deepEqual(released(app).slice(-3), [
      ["munmap", notInit.address],
      ["munmap", afterSpawn.address],
      ["madvise", ofInit.address],
    ]);
  }
});

Deno.test("init lets go of its steps whenever it waits", () => {
  const run = init([always("one")], k.SIGHUP, ends([P1, exited(1)]));
  const waits = callsOf(run, "madvise", "rt_sigtimedwait").map(([call]) => call).slice(-6);
  assert.deepEqual(waits, Array(3).fill(["madvise", "rt_sigtimedwait"]).flat());
});

Deno.test("an event handler runs as root, with the app's environment, in its root and directory", () => {
  const app = testApp("one", {
    preStart: command("prepare"),
    postStop: command("clean"),
    uid: 33,
    gid: 34,
    supplementaryGids: [50],
    workingDirectory: "/srv",
  });
  const handlers = [[[0, 0], [], "/bin/prepare"], [[0, P1, 0], [ends([P1, 0])], "/bin/one"], [
    [0, P1, P2, 0],
    [ends([P1, 0]), ends([P2, 0])],
    "/bin/clean",
  ]] as const;
  for (const [clones, events, path] of handlers) {
    const run = runPod(testPod([app]), { clones, events });
    assert.deepEqual(run.end, { kind: "execve", path });
    const [uid, gid, gids] = path === "/bin/one" ? [33, 34, 1] : [0, 0, 0];
    assert.deepEqual(callsOf(run, "setresuid"), [["setresuid", uid, uid, uid]]);
    assert.deepEqual(callsOf(run, "setresgid"), [["setresgid", gid, gid, gid]]);
    assert.equal(nth(callsOf(run, "setgroups"), 0)[1], gids);
    assert.deepEqual(nth(callsOf(run, "execve"), 0).at(-1), ["A=1"]);
    assert.deepEqual(callsOf(run, "chdir").at(-1), ["chdir", "/srv"]);
  }
});
