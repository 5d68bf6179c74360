import assert from "node:assert/strict";
import { createPod } from "../../pod/directory/pod_directory.ts";
import { collectAttachments, withoutGC } from "./attachments.ts";
import { type NetInfo, recordDirectory, writeRecord } from "./net_info.ts";

/** A data directory, and a local configuration with a plugin that notes how it is called. */
class World implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "rkt-attachments-" });
  readonly dataDir = `${this.dir}/data`;

  constructor(script = "") {
    Deno.mkdirSync(`${this.dir}/net.d`);
    Deno.mkdirSync(this.dataDir);
    const note = `"${this.dir}/calls"`;
    Deno.writeTextFileSync(
      `${this.dir}/net.d/fake`,
      `#!/bin/sh\n{ env | grep ^CNI_ | sort; cat; echo; } >> ${note}\n${script}\n`,
      { mode: 0o755 },
    );
  }

  network(name: string, cniVersion: string, more: object = {}): void {
    const json = { name, cniVersion, plugins: [{ type: "fake", its: "own" }], ...more };
    Deno.writeTextFileSync(`${this.dir}/net.d/${name}.conflist`, JSON.stringify(json));
  }

  /** Writes down that a pod has networks; the pod is there and is held, or is gone. */
  pod(...names: string[]) {
    const pod = createPod(this.dataDir);
    const infos = names.map((netName, i): NetInfo => ({
      ...{ netName, netConf: "", pluginPath: "fake", ifName: `eth${i}`, ip: "", args: "" },
      ...{ mask: "", ips: [], cniVersion: "1.1.0", called: [] },
    }));
    writeRecord({ dataDir: this.dataDir, uuid: pod.uuid }, infos);
    return pod;
  }

  async collect(): Promise<{ readonly calls: string; readonly left: readonly string[] }> {
    const left: string[] = [];
    const onLeft = (line: string) => void left.push(line);
    await collectAttachments(this.dataDir, { localConfig: this.dir, onLeft });
    try {
      return { calls: Deno.readTextFileSync(`${this.dir}/calls`), left };
    } catch {
      return { calls: "", left };
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

Deno.test("GC names the attachments of pods that are held, and no others", async () => {
  using world = new World();
  world.network("lan", "1.1.0");
  const dead = world.pod("lan");
  dead[Symbol.dispose]();
  using alive = world.pod("other", "lan");
  using _elsewhere = world.pod("other");
  const { calls, left } = await world.collect();
  assert.deepEqual(left, []);
  const [command, path, input] = calls.trim().split("\n");
  assert.equal(command, "CNI_COMMAND=GC");
  assert.match(path ?? "", /^CNI_PATH=/);
  assert.deepEqual(JSON.parse(input ?? ""), {
    ...{ type: "fake", its: "own", cniVersion: "1.1.0", name: "lan" },
    "cni.dev/valid-attachments": [{ containerID: alive.uuid, ifname: "eth1" }],
  });
});

Deno.test("GC is for networks of version 1.1 that do not forbid it, also where there are no pods", async () => {
  using world = new World();
  world.network("old", "1.0.0");
  world.network("shared", "1.1.0", { disableGC: true });
  assert.equal((await world.collect()).calls, "");
  world.network("own", "1.1.0");
  assert.match((await world.collect()).calls, /"name":"own","cni\.dev\/valid-attachments":\[\]/);
});

Deno.test("a plugin that fails is told of, and the others are called", async () => {
  using world = new World(`echo '{"code":999,"msg":"no"}'; exit 1`);
  world.network("a", "1.1.0", { plugins: [{ type: "fake" }, { type: "fake" }] });
  world.network("b", "1.1.0", { plugins: [{ type: "missing" }] });
  const { left } = await world.collect();
  assert.equal(left.length, 3);
  assert.match(left[1] ?? "", /^network "a": plugin fake \(.*\): GC failed: no$/);
  assert.match(left[2] ?? "", /^network "b": no plugin of type "missing"/);
});

Deno.test("no GC while plugins are called for a pod whose record is written", async () => {
  using world = new World();
  world.network("lan", "1.1.0");
  using _pod = world.pod("lan");
  const path = recordDirectory(world.dataDir);
  const isFree = () =>
    new Deno.Command("flock", { args: ["-n", path, "true"] }).outputSync().success;
  await withoutGC(world.dataDir, () => {
    assert.equal(isFree(), false);
    return Promise.resolve();
  });
  assert.equal(isFree(), true);
});
