/** `systemd-socket-activate`, which does what systemd does: at the first connection, or a pod for each. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { addProgram } from "../world/host_world.ts";
import { RKT } from "../world/rkt.ts";
import { until } from "../world/until.ts";

/** How many pods the last test starts one after the other: RKT_ACTIVATIONS. */
const ACTIVATIONS = Number(Deno.env.get("RKT_ACTIVATIONS") ?? 50);

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  await addProgram(world.root, "/usr/bin/perl");
  await world.store("server", {
    exec: ["/usr/bin/perl"],
    ports: [{ name: "web", protocol: "tcp", port: 8080, socketActivated: true }],
  });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** `systemd-socket-activate`, which listens as soon as this returns. */
async function listens(flags: readonly string[], words: readonly string[]) {
  const command = new Deno.Command("systemd-socket-activate", {
    args: [...flags, RKT, ...world.flags, "run", ...words],
    env: { PATH: Deno.env.get("PATH") ?? "" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const child = command.spawn();
  await until(() => isListened(flags), 30, "its socket");
  return child;
}

/** Whether somebody listens where the first flag says (proc_net(5): state 0A). */
function isListened([listen = ""]: readonly string[]): boolean {
  const port = Number(listen.slice(listen.lastIndexOf(":") + 1));
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A `;
  return Deno.readTextFileSync("/proc/net/tcp").includes(local);
}

/** What a process has open. */
function links(pid: number): readonly string[] {
  const place = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(place)].map(({ name }) => {
    try {
      return Deno.readLinkSync(`${place}/${name}`);
    } catch {
      return "closed meanwhile";
    }
  });
}

async function answer(port: number, text?: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  if (text !== undefined) await connection.write(new TextEncoder().encode(text));
  return (await new Response(connection.readable).text()).trim();
}

Deno.test("a server starts at its first connection, and takes it", async () => {
  const script = 'open(S, "+<&=", 3); for (1, 2) { accept(C, S); syswrite C, "up $$"; close C }';
  const activate = await listens(
    ["--listen=127.0.0.1:8080"],
    ["--net=none", "example.com/server", "--", "-e", script],
  );
  assert.equal(await answer(8080), "up 2");
  assert.equal(await answer(8080), "up 2");
  assert.equal((await activate.status).code, 0);
});

for (const flags of [[], ["--private-users"]]) {
  Deno.test(`a pod for each connection, which is its input and output: ${flags}`, async () => {
    const activate = await listens(
      ["--listen=127.0.0.1:8070", "--accept", "--inetd"],
      ["--net=none", "--rm", BOX, ...flags, "--", "-c", "read line; echo you said $line"],
    );
    for (const word of ["one", "two", "three"]) {
      assert.equal(await answer(8070, `${word}\n`), `you said ${word}`);
    }
    activate.kill();
    await activate.status;
  });
}

/** What activations might leave behind, a line each. */
function left(): readonly string[] {
  // A line each, so that fewer of them than before are nothing that was left.
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo").trim().split("\n").map(() =>
    "mount"
  );
  const processes = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => {
      try {
        return Deno.readTextFileSync(`/proc/${name}/comm`).trim();
      } catch {
        return "";
      }
    }).filter((name) => name.startsWith("rkt") || name === "sh");
  return [...mounts, ...processes];
}

/** What of some lines is not among others, each of which counts once. */
function more(lines: readonly string[], others: readonly string[]): readonly string[] {
  const rest = [...others];
  return lines.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** The cgroups of the whole host whose names have one of the words in them. */
function cgroupsOf(words: ReadonlySet<string>): readonly string[] {
  const found = new Deno.Command("find", {
    args: ["/sys/fs/cgroup", "-type", "d", "-name", "rkt-*"],
  })
    .outputSync();
  return new TextDecoder().decode(found.stdout).split("\n")
    .filter((path) => words.has(path.slice(path.lastIndexOf("/rkt-") + "/rkt-".length)));
}

Deno.test(`${ACTIVATIONS} activations one after the other leave nothing`, async () => {
  const pods = world.pods();
  const uuidFile = `${world.dir}/uuid`;
  const uuids = new Set<string>();
  const activate = await listens(
    ["--listen=127.0.0.1:8071", "--accept"],
    [
      ...["--net=none", "--rm", `--uuid-file-save=${uuidFile}`, BOX],
      ...["--", "-c", "echo $LISTEN_FDS $LISTEN_PID $$ >&3"],
    ],
  );
  const descriptors = () => links(activate.pid).length;
  // The first one mounts the image's tree.
  assert.equal(await answer(8071), "1 2 2");
  const isRemoved = () => world.pods().every((each) => pods.includes(each));
  await until(isRemoved, 30, "the end of the first pod");
  const [before, open] = [left(), descriptors()];
  for (let i = 0; i < ACTIVATIONS; i++) {
    assert.equal(await answer(8071), "1 2 2");
    uuids.add(Deno.readTextFileSync(uuidFile));
  }
  assert.equal(uuids.size, ACTIVATIONS);
  // The first pod's processes may have been on their way out when it was looked.
  const isOver = () => isRemoved() && more(left(), before).length === 0;
  await until(isOver, 30, "the end of the last pod");
  await until(() => cgroupsOf(uuids).length === 0, 30, "the end of its cgroups");
  assert.equal(descriptors(), open);
  activate.kill();
  await activate.status;
});

Deno.test("etcd in a network of its own starts at the first connection, which a proxy takes in the pod", async () => {
  for (const path of ["/usr/bin/etcd", "/usr/bin/etcdctl", "/lib/systemd/systemd-socket-proxyd"]) {
    await addProgram(world.root, path);
  }
  await world.store("etcd", { exec: ["/usr/bin/etcd"] });
  await world.store("proxy", {
    exec: ["/lib/systemd/systemd-socket-proxyd"],
    ports: [{ name: "client", protocol: "tcp", port: 2379, socketActivated: true }],
  });
  const activate = await listens(
    ["--listen=127.0.0.1:8072"],
    [
      ...["--net=none", "--port=client:8072", `--uuid-file-save=${world.dir}/etcd-uuid`],
      ...["example.com/etcd", "--", "--data-dir=/tmp/data", "---"],
      ...["example.com/proxy", "--", "127.0.0.1:2379"],
    ],
  );
  const etcdctl = async (...words: string[]) => {
    const { stdout, stderr } = await new Deno.Command("etcdctl", {
      args: ["--endpoints=http://127.0.0.1:8072", "--command-timeout=60s", ...words],
      env: { ETCDCTL_API: "3" },
    }).output();
    return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
  };
  assert.equal(await etcdctl("put", "color", "green"), "OK");
  assert.equal(await etcdctl("get", "color", "--print-value-only"), "green");
  const uuid = Deno.readTextFileSync(`${world.dir}/etcd-uuid`);
  const stopped = await world.rkt("stop", uuid);
  assert.equal(stopped.code, 0, stopped.stderr);
  await activate.status;
});
