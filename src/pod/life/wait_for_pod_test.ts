import assert from "node:assert/strict";
import { createPod, listPods, openPod, type PodDirectory } from "../directory/pod_directory.ts";
import { lockReleased, podEnded, podReady, within } from "./wait_for_pod.ts";

/** A test with a data directory of its own. */
function inTemp(test: (dir: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-wait-" });
    try {
      await test(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

const STATUS = "stage1/rootfs/rkt/status";

/** Makes what init finds: a manifest with some apps, and the directory of their status. */
function fill(pod: PodDirectory, names: readonly string[] = ["app"]): void {
  Deno.mkdirSync(`${pod.path}/${STATUS}`, { recursive: true });
  const manifest = {
    acKind: "PodManifest",
    acVersion: "0.8.11",
    apps: names.map((name) => ({ name })),
  };
  Deno.writeTextFileSync(`${pod.path}/pod`, JSON.stringify(manifest));
}

/** All names below a directory. */
function names(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [name, ...names(`${dir}/${name}`).map((each) => `${name}/${each}`)] : [name]
  ).sort();
}

Deno.test(
  "podReady() waits through all stages of a pod, and makes nothing itself",
  inTemp(async (dir) => {
    for (const seen of ["embryo", "preparing", "prepared"]) {
      using pod = createPod(dir);
      let ready: Promise<boolean> | undefined;
      const look = () => {
        if (openPod(dir, pod.uuid).state !== seen) return;
        const before = names(dir);
        ready = podReady(dir, openPod(dir, pod.uuid));
        assert.deepEqual(names(dir), before);
      };
      look();
      pod.toPrepare();
      look();
      fill(pod);
      pod.toPrepared();
      look();
      pod.toRun();
      assert.ok(ready);
      Deno.writeTextFileSync(`${pod.path}/${STATUS}/app-started`, "");
      assert.equal(await within(60_000, ready), true, seen);
    }
  }),
);

Deno.test(
  "podReady() is false of a pod that ends before all of its apps have started",
  inTemp(async (dir) => {
    for (const started of [[], ["one"]]) {
      const pod = createPod(dir);
      fill(pod, ["one", "two"]);
      pod.toRun();
      for (const name of started) {
        Deno.writeTextFileSync(`${pod.path}/${STATUS}/${name}-started`, "");
      }
      const ready = podReady(dir, openPod(dir, pod.uuid));
      pod[Symbol.dispose]();
      assert.equal(await within(60_000, ready), false, `${started}`);
    }
  }),
);

Deno.test(
  "podReady() and podEnded() end where the maker of a pod dies before it runs",
  inTemp(async (dir) => {
    for (const move of [() => {}, (pod: PodDirectory) => pod.toPrepare()]) {
      const pod = createPod(dir);
      move(pod);
      const view = openPod(dir, pod.uuid);
      const [ready, ended] = [podReady(dir, view), podEnded(dir, view)];
      pod[Symbol.dispose]();
      assert.equal(await within(60_000, ready), false);
      await within(60_000, ended);
      // And of one that is dead already.
      await within(60_000, podEnded(dir, openPod(dir, pod.uuid)));
    }
    assert.deepEqual(listPods(dir).map(({ state }) => state).sort(), ["aborted prepare", "embryo"]);
  }),
);

Deno.test(
  "lockReleased() takes no other error for a directory that is gone",
  inTemp(async (dir) => {
    await lockReleased(`${dir}/nothing`);
    Deno.symlinkSync(dir, `${dir}/link`);
    // O_NOFOLLOW with O_DIRECTORY: a link is no directory, and nobody holds its lock.
    await lockReleased(`${dir}/link`);
    await assert.rejects(lockReleased(`${dir}/${"x".repeat(300)}`), { code: "ENAMETOOLONG" });
  }),
);
