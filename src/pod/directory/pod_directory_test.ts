import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { claimName } from "./claim_name.ts";
import { podIsHeld } from "./pod_held.ts";
import { collectPods, removePod } from "../life/collect_pods.ts";
import {
  claimPod,
  createPod,
  listPods,
  movePod,
  NAME_FILE,
  openPod,
  type PodDirectory,
  type PodView,
  refreshed,
  STAGES,
} from "./pod_directory.ts";
import { podEnded, TimedOut, within } from "../life/wait_for_pod.ts";

function inTemp(test: (dir: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-pods-" });
    try {
      await test(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

function states(dir: string): string[] {
  return listPods(dir).map(({ state }) => state);
}

/** A pod whose owner has died in one of its stages. */
function deadPod(dir: string, move: (pod: PodDirectory) => void): PodView {
  const pod = createPod(dir);
  move(pod);
  pod[Symbol.dispose]();
  return openPod(dir, pod.uuid);
}

async function collect(
  dir: string,
  options: { grace?: number; expire?: number; mark?: boolean } = {},
) {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const freed = await collectPods(dir, {
    gracePeriod: options.grace ?? 0,
    expirePrepared: options.expire ?? Infinity,
    markOnly: options.mark ?? false,
    onMove: say,
    onDelete: say,
    onLeft: say,
  });
  return { lines, freed };
}

Deno.test(
  "createPod() makes a locked directory that goes through the stages",
  inTemp((dir) => {
    using pod = createPod(dir);
    assert.match(pod.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(states(dir), ["embryo"]);
    assert.equal((Deno.statSync(pod.path).mode ?? 0) & 0o7777, 0o700);
    pod.toPrepare();
    assert.deepEqual(states(dir), ["preparing"]);
    pod.toPrepared();
    assert.deepEqual(states(dir), ["prepared"]);
    pod.toRun();
    assert.deepEqual(states(dir), ["running"]);
    assert.equal(pod.path, `${dir}/pods/run/${pod.uuid}`);
    pod[Symbol.dispose]();
    assert.deepEqual(states(dir), ["exited"]);
  }),
);

Deno.test(
  "createPod() says why a pod can't be made",
  inTemp((dir) => {
    Deno.writeTextFileSync(`${dir}/file`, "");
    assert.throws(() => createPod(`${dir}/file`), /cannot make a pod below ".*file": .*--dir/);
  }),
);

Deno.test(
  "passOn() leaves the lock to the program that is executed, which has it not else",
  inTemp(async (dir) => {
    for (const inherit of [true, false]) {
      using pod = createPod(dir);
      pod.toRun();
      if (inherit) pod.passOn();
      const child = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
      // spawn() may return while execve(2) still closes descriptors; a program that answers has left it.
      const input = child.stdin.getWriter();
      await input.write(Uint8Array.of(0));
      const output = child.stdout.getReader();
      assert.deepEqual((await output.read()).value, Uint8Array.of(0));
      pod[Symbol.dispose]();
      assert.equal(openPod(dir, pod.uuid).state, inherit ? "running" : "exited");
      await input.close();
      await output.cancel();
      await child.status;
      assert.equal(openPod(dir, pod.uuid).state, "exited");
    }
  }),
);

Deno.test(
  "a pod whose maker was killed is classified rightly at every stage",
  inTemp(async (dir) => {
    const module = import.meta.resolve("./pod_directory.ts");
    const script = `
      import { createPod } from ${JSON.stringify(module)};
      const pod = createPod(${JSON.stringify(dir)});
      const reached = Deno.args[0];
      for (const step of ["toPrepare", "toPrepared", "toRun"]) {
        if (reached === "createPod") break;
        if (reached === "run directly" && step !== "toRun") continue;
        pod[step]();
        if (step === reached) break;
      }
      console.log(pod.uuid);
      setInterval(() => {}, 1e6);`;
    const expected = [
      ["createPod", "embryo", "embryo"],
      ["toPrepare", "preparing", "aborted prepare"],
      ["toPrepared", "prepared", "prepared"],
      ["toRun", "running", "exited"],
      ["run directly", "running", "exited"],
    ] as const;
    for (const [stage, alive, dead] of expected) {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--no-check",
          "--ext=js",
          `data:text/javascript,${encodeURIComponent(script)}`,
          stage,
        ],
        stdout: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      const uuid = new TextDecoder().decode((await reader.read()).value).trim();
      assert.equal(openPod(dir, uuid).state, alive);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      assert.equal(openPod(dir, uuid).state, dead, stage);
    }
  }),
);

Deno.test(
  "openPod() takes prefixes and says what is wrong with others",
  inTemp((dir) => {
    const pods = [1, 2].map((n) => `0000000${n}-0000-4000-8000-000000000000`);
    for (const uuid of pods) Deno.mkdirSync(`${dir}/pods/run/${uuid}`, { recursive: true });
    assert.equal(openPod(dir, "00000001").uuid, pods[0]);
    assert.equal(openPod(dir, " 00000002\n").uuid, pods[1]);
    const cases: readonly (readonly [string, RegExp])[] = [
      ["0000", /^"0000" matches 2 pods \(00000001-0000, 00000002-0000\); give more digits$/],
      ["1", /^no pod "1"; `rkt list` shows/],
      ["../run", /^"..\/run" is not a pod UUID/],
      ["", /is not a pod UUID/],
    ];
    for (const [prefix, message] of cases) {
      assert.throws(
        () => openPod(dir, prefix),
        (error) => error instanceof Failure && message.test(error.message),
      );
    }
  }),
);

Deno.test(
  "openPod() takes a name for the pod that is alive, else for the newest",
  inTemp((dir) => {
    const name = (pod: PodDirectory, seconds: number) => {
      Deno.writeTextFileSync(`${pod.path}/${NAME_FILE}`, "web");
      Deno.utimeSync(`${pod.path}/${NAME_FILE}`, seconds, seconds);
    };
    const ended = [3, 1, 2].map((seconds) =>
      deadPod(dir, (pod) => {
        name(pod, seconds);
        pod.toPrepare();
        pod.toRun();
      })
    );
    assert.equal(openPod(dir, "web").uuid, ended[0]?.uuid);
    {
      using running = createPod(dir);
      name(running, 0);
      running.toPrepare();
      running.toRun();
      assert.equal(openPod(dir, "web").uuid, running.uuid);
      using other = createPod(dir);
      name(other, 0);
      other.toPrepare();
      assert.throws(() => openPod(dir, "web"), /2 pods are called "web"/);
    }
    assert.throws(() => openPod(dir, "nobody"), /no pod has that name/);
  }),
);

Deno.test(
  "openPod() takes eight digits of a UUID for that pod, whatever others are called",
  inTemp((dir) => {
    const [meant = "", other] = [1, 2].map((n) => `0000000${n}-0000-4000-8000-000000000000`);
    const called = (name: string) =>
      Deno.writeTextFileSync(`${dir}/pods/run/${other}/${NAME_FILE}`, name);
    for (const uuid of [meant, other]) {
      Deno.mkdirSync(`${dir}/pods/run/${uuid}`, { recursive: true });
    }
    for (const digits of [8, 9, 13]) {
      called(meant.slice(0, digits));
      assert.equal(openPod(dir, meant.slice(0, digits)).uuid, meant);
    }
    called("deadbeef");
    assert.equal(openPod(dir, "deadbeef").uuid, other);
    called("0000000");
    assert.equal(openPod(dir, "0000000").uuid, other);
  }),
);

Deno.test(
  "claimPod() gives a prepared pod to one process only",
  inTemp((dir) => {
    const pod = deadPod(dir, (p) => p.toPrepared());
    using first = claimPod(dir, pod);
    assert.ok(first);
    assert.equal(claimPod(dir, pod), undefined);
    first.toRun();
    assert.equal(claimPod(dir, pod), undefined);
    assert.equal(movePod(dir, pod, "garbage"), undefined);
    assert.equal(refreshed(dir, pod)?.state, "running");
  }),
);

Deno.test(
  "collectPods() follows the rules of each state",
  inTemp(async (dir) => {
    using running = createPod(dir);
    running.toRun();
    using preparing = createPod(dir);
    preparing.toPrepare();
    using _embryo = createPod(dir);
    deadPod(dir, () => {});
    deadPod(dir, (pod) => pod.toPrepare());
    deadPod(dir, (pod) => pod.toPrepared());
    const exited = deadPod(dir, (pod) => pod.toRun());
    Deno.writeFileSync(`${exited.path}/big`, new Uint8Array(1 << 20));

    const marked = await collect(dir, { mark: true });
    assert.equal(marked.lines.filter((l) => l.startsWith("moving failed prepare")).length, 2);
    assert.equal(marked.lines.filter((l) => l.startsWith("moving pod")).length, 1);
    assert.equal(openPod(dir, exited.uuid).state, "exited garbage");

    assert.equal((await collect(dir, { grace: 3_600_000 })).lines.length, 2);
    assert.equal(openPod(dir, exited.uuid).state, "exited garbage");

    const { lines, freed } = await collect(dir);
    assert.deepEqual(lines, [`Garbage collecting pod "${exited.uuid}"`]);
    assert.ok(freed >= 1 << 20);
    assert.deepEqual(states(dir).sort(), ["embryo", "prepared", "preparing", "running"]);

    await collect(dir, { expire: 0 });
    assert.deepEqual(states(dir).sort(), ["embryo", "preparing", "running"]);
  }),
);

Deno.test(
  "removePod() removes what does not run",
  inTemp(async (dir) => {
    const quiet = { onMove: () => {}, onLeft: () => {} };
    using running = createPod(dir);
    running.toRun();
    assert.match(
      await removePod(dir, openPod(dir, running.uuid), quiet) ?? "",
      /is currently running/,
    );
    const dead = [
      deadPod(dir, (pod) => pod.toRun()),
      deadPod(dir, (pod) => pod.toPrepared()),
      deadPod(dir, (pod) => pod.toPrepare()),
    ];
    for (const pod of dead) assert.equal(await removePod(dir, pod, quiet), undefined);
    assert.deepEqual(states(dir), ["running"]);
    assert.equal(
      await removePod(dir, dead[0] ?? openPod(dir, ""), quiet),
      "has just been started or moved; try again",
    );
  }),
);

Deno.test(
  "listing never makes a dead pod look alive, nor a living one dead, for others",
  inTemp(async (dir) => {
    const module = import.meta.resolve("./pod_directory.ts");
    const script = `
      import { listPods } from ${JSON.stringify(module)};
      console.log("");
      while (true) listPods(${JSON.stringify(dir)});`;
    using running = createPod(dir);
    running.toRun();
    const exited = deadPod(dir, (pod) => pod.toRun());
    const prepared = Array.from({ length: 50 }, () => deadPod(dir, (pod) => pod.toPrepared()));
    const lister = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--ext=js",
        `data:text/javascript,${encodeURIComponent(script)}`,
      ],
      stdout: "piped",
    }).spawn();
    const reader = lister.stdout.getReader();
    await reader.read();
    for (const pod of prepared) {
      assert.equal(openPod(dir, running.uuid).state, "running");
      assert.equal(openPod(dir, exited.uuid).state, "exited");
      using claimed = claimPod(dir, pod);
      assert.ok(claimed, "the lister's glances count as nothing");
    }
    lister.kill("SIGKILL");
    await lister.status;
    await reader.cancel();
  }),
);

Deno.test(
  "podEnded() waits for the release of the lock",
  inTemp(async (dir) => {
    using pod = createPod(dir);
    pod.toRun();
    const view = openPod(dir, pod.uuid);
    const ended = podEnded(dir, view);
    await assert.rejects(within(20, podEnded(dir, view)), TimedOut);
    pod[Symbol.dispose]();
    await within(60_000, ended);
    await within(60_000, podEnded(dir, view));
  }),
);

Deno.test(
  "podEnded() waits for a prepared pod to be run",
  inTemp(async (dir) => {
    const view = deadPod(dir, (pod) => pod.toPrepared());
    const ended = podEnded(dir, view);
    using pod = claimPod(dir, view);
    assert.ok(pod);
    pod.toRun();
    pod[Symbol.dispose]();
    await within(60_000, ended);
  }),
);

Deno.test(
  "collectPods() leaves a pod with a busy mount for the next time",
  inTemp(async (dir) => {
    const pod = deadPod(dir, (p) => p.toRun());
    Deno.mkdirSync(`${pod.path}/mnt`);
    Deno.writeTextFileSync(`${dir}/precious`, "kept");
    const sh = (script: string) =>
      assert.ok(new Deno.Command("sh", { args: ["-ec", script] }).outputSync().success);
    sh(`mount --bind ${dir} ${pod.path}/mnt`);
    const garbage = `${dir}/pods/garbage/${pod.uuid}`;
    try {
      const busy = Deno.openSync(`${pod.path}/mnt/precious`);
      const { lines } = await collect(dir);
      busy.close();
      assert.match(
        lines.at(-1) ?? "",
        /^pod ".*" stays in the garbage until the next gc: mnt: EBUSY \(/,
      );
      assert.equal(openPod(dir, pod.uuid).state, "garbage");
      await collect(dir);
      assert.deepEqual(states(dir), []);
      assert.equal(Deno.readTextFileSync(`${dir}/precious`), "kept");
    } finally {
      sh(`umount -l ${garbage}/mnt 2>/dev/null || true`);
    }
  }),
);

Deno.test(
  "claimName() gives a name to one of those who hold a pod, whatever stage it is in",
  inTemp((dir) => {
    const first = createPod(dir);
    using second = createPod(dir);
    second.toPrepare();
    Deno.mkdirSync(`${dir}/locks`);
    claimName(dir, first, "web");
    claimName(dir, first, "web");
    assert.throws(() => claimName(dir, second, "web"), {
      name: "Failure",
      message: /is called "web"/,
    });
    assert.equal(exists(`${second.path}/${NAME_FILE}`), false);
    first[Symbol.dispose]();
    claimName(dir, second, "web");
    assert.equal(Deno.readTextFileSync(`${second.path}/${NAME_FILE}`), "web");
  }),
);

Deno.test(
  "what can't be opened for another reason than that it is gone is no pod that has gone on",
  inTemp(async (dir) => {
    using pod = createPod(dir);
    const view = openPod(dir, pod.uuid);
    const unreadable = { ...view, path: `${dir}/${"x".repeat(300)}` };
    assert.throws(() => claimPod(dir, unreadable), { code: "ENAMETOOLONG" });
    assert.throws(() => movePod(dir, unreadable, "garbage"), { code: "ENAMETOOLONG" });
    assert.throws(() => podIsHeld(unreadable.path, pod.uuid), { code: "ENAMETOOLONG" });
    // Who waits for a pod ends with the error, and does not look again and again.
    await assert.rejects(within(60_000, podEnded(dir, unreadable)), { code: "ENAMETOOLONG" });
  }),
);

Deno.test("createPod() that is ended while it makes the stages is no harm to the next one", () => {
  const dataDir = Deno.makeTempDirSync();
  try {
    for (const stage of STAGES.slice(1)) {
      // What is in the way ends it there.
      Deno.mkdirSync(`${dataDir}/pods`, { recursive: true });
      Deno.writeTextFileSync(`${dataDir}/pods/${stage}`, "");
      assert.throws(() => createPod(dataDir), /cannot make a pod below/);
      Deno.removeSync(`${dataDir}/pods/${stage}`);
      using pod = createPod(dataDir);
      pod.toPrepare();
      assert.deepEqual([...Deno.readDirSync(`${dataDir}/pods`)].length, STAGES.length);
      Deno.removeSync(`${dataDir}/pods`, { recursive: true });
    }
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
});
