import assert from "node:assert/strict";
import { testApp } from "../../stage1/testing/fake_kernel.ts";
import { describePod, ownFiles } from "./describe_pod.ts";
import type { HostOptions } from "./host_options.ts";
import { NOT_RUN, type RunOptions } from "./request.ts";
import { World } from "./world.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";
const HOST: HostOptions = {
  dataDir: "/var/lib/rkt",
  localConfig: "/etc/rkt",
  config: { system: "/usr/lib/rkt", local: "/etc/rkt" },
  configuration: [],
  confinement: { allCapabilities: false, allSystemCalls: false },
  protectPaths: true,
  fetchSettings: () => assert.fail("a pod is described without the network"),
};

/** A caller with terminals as some of its streams. */
class Terminals extends World {
  constructor(readonly streams: readonly number[]) {
    super();
  }

  override isTerminal(fd: number): boolean {
    return this.streams.includes(fd);
  }
}

function described(
  options: Partial<RunOptions> = {},
  apps = 1,
  { world = new World(), host = HOST } = {},
) {
  const all = Array.from({ length: apps }, (_, i) => testApp(`app-${i}`));
  const cgroups = { apps: all, limits: {}, warnings: [] };
  const manifest = { isolators: [], annotations: [] };
  return describePod({ ...NOT_RUN, ...options }, host, UUID, cgroups, manifest, world);
}

Deno.test("describePod() names a pod after its UUID unless it has a name of its own", () => {
  assert.equal(described().hostname, `rkt-${UUID}`);
  assert.equal(described({ hostname: "db" }).hostname, "db");
});

Deno.test("describePod() leaves networks to be set up, and shares the host's only where that is asked", () => {
  assert.deepEqual(described({ network: { kind: "host" } }).network, { kind: "host" });
  assert.deepEqual(described({ network: { kind: "networks", networks: [] } }).network, {
    kind: "none",
  });
});

Deno.test("describePod() takes the host's IPC namespace for no other word than parent", () => {
  const kinds = (["auto", "private", "parent"] as const).map((ipc) => described({ ipc }).ipc);
  assert.deepEqual(kinds, ["private", "private", "parent"]);
});

Deno.test("describePod() writes names in front of lines for terminals, where there are several apps", () => {
  const prefixed = (apps: number, ...streams: number[]) =>
    described({}, apps, { world: new Terminals(streams) }).prefixed;
  assert.deepEqual(prefixed(1, 1, 2), []);
  assert.deepEqual(prefixed(2), []);
  assert.deepEqual(prefixed(2, 1, 2), ["stdout", "stderr"]);
  assert.deepEqual(prefixed(2, 2), ["stderr"]);
});

Deno.test("describePod() relays a terminal where there is one, and for one app only", () => {
  const interactive = (...streams: number[]) =>
    described({ interactive: true }, 1, { world: new Terminals(streams) }).interactive;
  assert.deepEqual([interactive(), interactive(0)], [false, true]);
  assert.equal(described({}, 1, { world: new Terminals([0]) }).interactive, false);
});

Deno.test("describePod() says how the pod is removed at its end, by an absolute path", () => {
  assert.equal(described().removal, undefined);
  const host = { ...HOST, dataDir: "data" };
  const removal = described({ remove: true }, 1, { host }).removal ?? [];
  assert.deepEqual(removal.slice(-3), [`--dir=${Deno.cwd()}/data`, "rm", UUID]);
  assert.ok(removal[0]?.startsWith("/"));
});

Deno.test("describePod() counts the grace time in seconds", () => {
  assert.equal(described({ stopTimeout: 2500 }).stopTimeout, 2.5);
});

Deno.test("ownFiles() copies the host's files, and leaves the others", () => {
  const text = { kind: "text", text: "x" } as const;
  const files = ownFiles({ resolvConf: text, hosts: { kind: "host" } }, new World());
  assert.deepEqual(files, {
    resolvConf: text,
    hosts: { kind: "text", text: Deno.readTextFileSync("/etc/hosts") },
  });
  assert.deepEqual(ownFiles({}, new World()), { resolvConf: undefined, hosts: undefined });
});
