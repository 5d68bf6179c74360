import assert from "node:assert/strict";
import { parsePrefix } from "../model/address.ts";
import { routesField } from "../ipam/ipam.ts";
import { parseResult, resultJson } from "./cni_result.ts";
import { parseNetworkConf } from "./network_conf.ts";
import { allNetworks } from "./networks.ts";

const versionOf = (versions: Record<string, unknown>): string =>
  parseNetworkConf(JSON.stringify({ name: "n", type: "ptp", ...versions }), "/n.conf").cniVersion;

Deno.test("the newest version that rkt and a configuration have in common is spoken", () => {
  assert.equal(versionOf({}), "0.1.0");
  assert.equal(versionOf({ cniVersion: "0.4.0" }), "0.4.0");
  assert.equal(
    versionOf({ cniVersion: "0.3.1", cniVersions: ["0.3.1", "1.0.0", "0.4.0"] }),
    "1.0.0",
  );
  assert.equal(versionOf({ cniVersion: "1.1.0", cniVersions: ["0.4.0", "2.0.0"] }), "1.1.0");
  assert.equal(versionOf({ cniVersions: ["9.9.9", "0.2.0"] }), "0.2.0");
  assert.throws(
    () => versionOf({ cniVersions: ["9.9.9"] }),
    /^Failure: \/n\.conf: cniVersions: "9\.9\.9" is none/,
  );
  assert.throws(() => versionOf({ cniVersion: "0.9" }), /cniVersion: "0\.9" is none of/);
});

/** The types of the plugins of a list, of files below /etc/rkt/net.d. */
function typesOf(files: Record<string, unknown>): readonly string[] {
  const texts = new Map(
    Object.entries(files).map(([name, json]) => [`/etc/rkt/net.d/${name}`, JSON.stringify(json)]),
  );
  const [network] = allNetworks("/etc/rkt", {
    names: (directory) => {
      const names = [...texts.keys()].filter((path) => path.startsWith(`${directory}/`))
        .map((path) => path.slice(directory.length + 1).split("/")[0] ?? "");
      return names.length === 0 ? undefined : [...new Set(names)];
    },
    text: (path) => texts.get(path) ?? assert.fail(path),
  });
  return network?.plugins.map(({ type, at }) => `${type} ${at}`) ?? [];
}

Deno.test("a list has the plugins of its directory behind its own, unless it says that it has not", () => {
  const list = { cniVersion: "1.1.0", name: "lan" };
  const files = {
    "lan/20-tuning.conf": { type: "tuning" },
    "lan/10-bandwidth.conf": { type: "bandwidth" },
    "lan/readme.txt": {},
    "other/10-x.conf": { type: "x" },
  };
  const [tuning, bandwidth] = [
    "tuning /etc/rkt/net.d/lan/20-tuning.conf",
    "bandwidth /etc/rkt/net.d/lan/10-bandwidth.conf",
  ];
  const plugins = [{ type: "ptp" }];
  const own = "ptp /etc/rkt/net.d/a.conflist: plugins[0]";
  assert.deepEqual(typesOf({ ...files, "a.conflist": { ...list, plugins } }), [
    own,
    bandwidth,
    tuning,
  ]);
  assert.deepEqual(typesOf({ ...files, "a.conflist": list }), [bandwidth, tuning]);
  const inlined = { ...list, plugins, loadOnlyInlinedPlugins: true };
  assert.deepEqual(typesOf({ ...files, "a.conflist": inlined }), [own]);
  assert.throws(() => typesOf({ "a.conflist": list }), /plugins: there is none/);
  assert.throws(
    () => typesOf({ "a.conflist": list, "lan/1.conf": { type: 1 } }),
    /^Failure: \/etc\/rkt\/net\.d\/lan\/1\.conf: type/,
  );
});

Deno.test("a list can forbid CHECK and GC, in words too", () => {
  const read = (more: object) => {
    const json = { name: "n", cniVersion: "1.1.0", plugins: [{ type: "ptp" }], ...more };
    const { disableCheck, disableGC } = parseNetworkConf(JSON.stringify(json), "/n.conflist");
    return [disableCheck, disableGC];
  };
  assert.deepEqual(read({}), [undefined, undefined]);
  assert.deepEqual(read({ disableCheck: "true", disableGC: false }), [true, undefined]);
  assert.deepEqual(read({ disableGC: true }), [undefined, true]);
  assert.throws(() => read({ disableGC: 1 }), /\/n\.conflist: disableGC/);
});

Deno.test("routes have the fields of CNI 1.1, in configurations and results, and older plugins don't see them", () => {
  const to = parsePrefix("10.0.0.0/8");
  const more = { mtu: 1400, advmss: 1360, priority: 7, table: 1000, scope: 253 };
  const routes = [{ dst: "10.0.0.0/8", ...more }];
  assert.deepEqual(routesField({ routes }, "ipam"), [{ to, ...more }]);
  assert.deepEqual(routesField({ routes: [{ dst: "10.0.0.0/8", mtu: 0, table: 0 }] }, "ipam"), [{
    to,
  }]);
  assert.throws(
    () => routesField({ routes: [{ dst: "10.0.0.0/8", mtu: -1 }] }, "ipam"),
    /routes\[0\]\.mtu/,
  );
  assert.throws(
    () => routesField({ routes: [{ dst: "10.0.0.0/8", table: "x" }] }, "ipam"),
    /table/,
  );
  const { json: _, ...result } = parseResult(JSON.stringify({ cniVersion: "1.1.0", routes }));
  assert.deepEqual(result.routes, [{ to, ...more }]);
  assert.deepEqual(resultJson(result, "1.1.0").routes, routes);
  assert.deepEqual(resultJson(result, "1.0.0").routes, [{ dst: "10.0.0.0/8" }]);
});
