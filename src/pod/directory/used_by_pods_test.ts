import assert from "node:assert/strict";
import { claimPod, createPod, openPod } from "./pod_directory.ts";
import { usedByLivePods, usedByPods } from "./used_by_pods.ts";

const IMAGE = `sha512-${"0".repeat(64)}`;

Deno.test("usedByPods() finds the trees and images of pods that run or will run", () => {
  const dataDir = Deno.makeTempDirSync({ prefix: "rkt-used-" });
  try {
    const used = usedByPods(dataDir);
    assert.deepEqual([...used.trees(), ...used.images()], []);
    {
      using pod = createPod(dataDir);
      Deno.mkdirSync(`${pod.path}/appsinfo/a`, { recursive: true });
      Deno.writeTextFileSync(`${pod.path}/appsinfo/a/treeStoreID`, "deps-sha512-app\n");
      Deno.writeTextFileSync(`${pod.path}/stage1TreeStoreID`, "deps-sha512-stage1\n");
      const apps = [{ name: "a", image: { id: IMAGE } }];
      Deno.writeTextFileSync(`${pod.path}/pod`, JSON.stringify({ acKind: "PodManifest", apps }));
      const check = (what: string) => {
        const trees = ["deps-sha512-app", "deps-sha512-stage1"];
        assert.deepEqual([...used.trees()].sort(), trees, what);
        assert.deepEqual([...usedByLivePods(dataDir).trees()].sort(), trees, what);
        assert.deepEqual([...used.images()], [IMAGE], what);
      };
      check("a pod that is being made");
      pod.toPrepare();
      check("a pod that is being prepared");
      pod.toPrepared();
      pod[Symbol.dispose]();
      check("a prepared pod, which nobody holds");
      using claimed = claimPod(dataDir, openPod(dataDir, pod.uuid));
      claimed?.toRun();
      check("a running pod");
    }
    // Without its lock the pod has exited: its trees stay until it is collected, its images may go.
    assert.equal(used.trees().size, 2);
    assert.equal(usedByLivePods(dataDir).trees().size, 0);
    assert.deepEqual([...used.images()], []);
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
});
