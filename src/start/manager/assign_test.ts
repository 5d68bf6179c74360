import assert from "node:assert/strict";
import { parseAcName } from "../../appc/name.ts";
import { parseIp } from "../../net/model/address.ts";
import { assign } from "./assign.ts";
import type { PassedDescriptor } from "./passed_descriptors.ts";

const tcp = (port: number, name?: string, ip = "::"): Omit<PassedDescriptor, "number"> => {
  const address = parseIp(ip);
  assert.ok(address !== undefined);
  return { name, kind: "tcp", address: { ip: address, port }, waits: true };
};
const unix = (name?: string): Omit<PassedDescriptor, "number"> => ({
  name,
  kind: "unix",
  waits: true,
});
const port = (name: string, port: number, changes = {}) => ({
  ...{ name: parseAcName(name, "name"), protocol: "tcp", port, count: 1, socketActivated: true },
  ...changes,
});
const app = (name: string, ...ports: ReturnType<typeof port>[]) => ({ name, ports });
const exposed = (name: string, hostPort: number, hostIP?: string) => ({
  name: parseAcName(name, "name"),
  hostPort,
  ...hostIP !== undefined && { hostIP },
});

/** Which app gets which numbers, and which of the ports are served. */
function assigned(
  passed: readonly Omit<PassedDescriptor, "number">[],
  apps: readonly ReturnType<typeof app>[],
  ports: readonly ReturnType<typeof exposed>[] = [],
) {
  const all = passed.map((each, number) => ({ ...each, number }));
  const { apps: found, served } = assign(all, apps, ports);
  return [
    Object.fromEntries([...found].map(([name, { numbers }]) => [name, numbers])),
    [...served].map(({ name }) => name),
  ];
}

const refused = (message: RegExp, ...args: Parameters<typeof assigned>) =>
  assert.throws(() => assigned(...args), { name: "Failure", message });

Deno.test("by the manifest's port, each to its app, in the order in which they came", () => {
  const apps = [app("a", port("web", 80), port("tls", 443)), app("b", port("db", 5432))];
  assert.deepEqual(assigned([tcp(443), tcp(5432), tcp(80)], apps), [{ a: [0, 2], b: [1] }, []]);
  assert.deepEqual(
    assigned([tcp(82)], [app("a", port("web", 80, { count: 3 })), app("b")]),
    [{ a: [0] }, []],
  );
});

Deno.test("a port that is mapped is meant by the host's number, and nothing is forwarded from there", () => {
  const apps = [app("a", port("web", 80)), app("b", port("other", 8080))];
  const ports = [exposed("web", 8080), exposed("other", 80)];
  assert.deepEqual(assigned([tcp(8080), tcp(80)], apps, ports), [
    { a: [0], b: [1] },
    ["web", "other"],
  ]);
  // Of a port that no socket is bound to, all stays as it is.
  assert.deepEqual(assigned([tcp(8080)], apps, ports), [{ a: [0] }, ["web"]]);
  // By --port any port can be meant, also one of an image that says nothing of sockets.
  const plain = [app("a", port("web", 80, { socketActivated: false })), app("b")];
  assert.deepEqual(assigned([tcp(8080)], plain, [exposed("web", 8080)]), [{ a: [0] }, ["web"]]);
});

Deno.test("the address of the host counts where both name one", () => {
  const apps = [app("a", port("web", 80)), app("b", port("other", 80))];
  const ports = [exposed("web", 80, "10.0.0.1"), exposed("other", 80, "10.0.0.2")];
  const passed = [tcp(80, undefined, "10.0.0.2"), tcp(80, undefined, "10.0.0.1")];
  assert.deepEqual(assigned(passed, apps, ports)[0], { b: [0], a: [1] });
  refused(/may be for "a" and "b"; name it FileDescriptorName=APP/, [tcp(80)], apps, ports);
});

Deno.test("by the name of an app or of a port, whatever it is", () => {
  const apps = [app("a", port("web", 80)), app("b", port("db", 5432, { socketActivated: false }))];
  assert.deepEqual(
    assigned([unix("b"), unix("web"), tcp(99, "db"), tcp(80, "b")], apps)[0],
    { b: [0, 2, 3], a: [1] },
  );
  refused(/may be for "a" and "b"/, [unix("x")], [app("a", port("x", 1)), app("b", port("x", 2))]);
});

Deno.test("the only app gets what nothing is known of, but no socket of a port that is none of its own", () => {
  const passed = [unix("web.socket"), { ...tcp(80), kind: "udp" as const }];
  assert.deepEqual(assigned(passed, [app("a", port("web", 80, { socketActivated: false }))])[0], {
    a: [0, 1],
  });
  refused(/descriptor 4 \(udp \[::\]:80\) is for no app/, passed, [app("a", port("web", 80))]);
  refused(/descriptor 3 \("web.socket", unix\) is for no app/, passed, [app("a"), app("b")]);
  refused(/to an app's: there is none/, [unix()], []);
});

Deno.test("an app waits for a connection where its image says so, and only sockets that wait are passed", () => {
  const waits = (passed: Omit<PassedDescriptor, "number">, of = port("web", 80)) =>
    assign([{ ...passed, number: 0 }], [app("a", of)], []).apps.get("a")?.onDemand;
  assert.equal(waits(tcp(80)), true);
  assert.equal(waits({ ...tcp(80), waits: false }), false);
  assert.equal(waits(tcp(80), port("web", 80, { socketActivated: false })), false);
});

Deno.test("what an app has stored comes back to it, by the name that it has given, and serves no port", () => {
  const apps = [app("a", port("web", 80)), app("a-b")];
  const ports = [exposed("web", 80)];
  const passed = [unix("stored/a-b/one"), tcp(80, "stored/a/a-b/x"), unix("a-b")];
  assert.deepEqual(assigned(passed, apps, ports), [{ a: [1], "a-b": [0, 2] }, []]);
  const { apps: found } = assign(passed.map((each, number) => ({ ...each, number })), apps, ports);
  assert.deepEqual([found.get("a")?.names, found.get("a-b")?.names], [["a-b/x"], ["one", "a-b"]]);
  refused(/is for no app/, [unix("stored/c/one")], apps);
});

Deno.test("a socket that systemd has named after its unit is none that the app of this name has stored", () => {
  const passed = [tcp(80, "a.socket")];
  assert.deepEqual(assigned(passed, [app("a"), app("b", port("web", 80))])[0], { b: [0] });
});

Deno.test("a range of ports is served as a whole", () => {
  const apps = [app("a", port("range", 80, { count: 2 }))];
  const ports = [exposed("range", 8000)];
  assert.deepEqual(assigned([tcp(8000), tcp(8001)], apps, ports), [{ a: [0, 1] }, ["range"]]);
  refused(
    /--port=range:8000 is of 2 ports, and .* sockets for 1 of them/,
    [tcp(8000)],
    apps,
    ports,
  );
});
