import assert from "node:assert/strict";
import { AppcError } from "../../appc/error.ts";
import { ipText, prefixText } from "../model/address.ts";
import type { CniResult } from "../model/cni.ts";
import { parseResult, resultJson, versionAtLeast } from "./cni_result.ts";

/** A result with addresses as text. */
const shown = ({ interfaces, ips, routes, dns }: CniResult) => ({
  interfaces,
  ips: ips.map(({ address, gateway, ...others }) => ({
    address: prefixText(address),
    ...gateway && { gateway: ipText(gateway) },
    ...others,
  })),
  routes: routes.map(({ to, via }) => ({ to: prefixText(to), ...via && { via: ipText(via) } })),
  dns,
});

const DNS = { nameservers: ["192.0.2.53"], domain: "example.com", search: ["a"], options: ["b"] };

const OLD = {
  cniVersion: "0.2.0",
  ip4: {
    ip: "192.0.2.2/24",
    gateway: "192.0.2.1",
    routes: [{ dst: "0.0.0.0/0" }, { dst: "198.51.100.0/24", gw: "192.0.2.9" }],
  },
  ip6: { ip: "2001:db8::2/64" },
  dns: DNS,
};

const V04 = {
  cniVersion: "0.4.0",
  interfaces: [{ name: "veth0", mac: "02:00:00:00:00:01" }, { name: "eth0", sandbox: "/ns" }],
  ips: [
    { version: "4", interface: 1, address: "192.0.2.2/24", gateway: "192.0.2.1" },
    { version: "6", address: "2001:db8::2/64" },
  ],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "198.51.100.0/24", gw: "192.0.2.9" }],
  dns: DNS,
};

const V11 = {
  ...V04,
  cniVersion: "1.1.0",
  interfaces: [{ mtu: 1450, ...V04.interfaces[0], pciID: "x" }, V04.interfaces[1]],
  ips: V04.ips.map(({ version: _, ...others }) => others),
  routes: [{ dst: "0.0.0.0/0", mtu: 1400 }, V04.routes[1]],
};

const READ = {
  ips: [
    { address: "192.0.2.2/24", gateway: "192.0.2.1" },
    { address: "2001:db8::2/64" },
  ],
  routes: [{ to: "0.0.0.0/0" }, { to: "198.51.100.0/24", via: "192.0.2.9" }],
  dns: DNS,
};

Deno.test("parseResult() reads a result of 0.2.0", () => {
  assert.deepEqual(shown(parseResult(JSON.stringify(OLD))), { interfaces: [], ...READ });
});

Deno.test("parseResult() reads results of 0.4.0 and 1.1.0", () => {
  const ips = [{ ...READ.ips[0], interface: 1 }, READ.ips[1]];
  assert.deepEqual(shown(parseResult(JSON.stringify(V04))), {
    ...READ,
    ips,
    interfaces: V04.interfaces,
  });
  const [{ pciID: _, ...first } = {}, second] = V11.interfaces as Record<string, unknown>[];
  assert.deepEqual(shown(parseResult(JSON.stringify(V11))), {
    ...READ,
    ips,
    interfaces: [first, second],
  });
});

Deno.test("parseResult() reads nothing as an empty result", () => {
  for (const text of ["", "{}", '{"ips":null,"dns":{}}']) {
    const { interfaces, ips, routes, dns } = parseResult(text);
    assert.deepEqual([interfaces, ips, routes, dns.nameservers], [[], [], [], []]);
  }
});

for (
  const [text, message] of [
    ["nonsense", /^not valid JSON/],
    ['{"ips":[{"address":"192.0.2.1"}]}', /^ips\[0\]\.address: "192\.0\.2\.1" is not of the form/],
    ['{"ips":[{"address":"1.2.3.4/8","gateway":"x"}]}', /^ips\[0\]\.gateway: "x" is not an IP/],
    ['{"ip4":{}}', /^ip4\.ip: /],
    ['{"routes":[{}]}', /^routes\[0\]\.dst: /],
    ['{"interfaces":[{"name":7}]}', /^interfaces\[0\]\.name: /],
  ] as const
) {
  Deno.test(`parseResult() refuses ${text}`, () => {
    assert.throws(() => parseResult(text), (error) => {
      assert.ok(error instanceof AppcError);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("resultJson() leaves what was written for the version as it is", () => {
  assert.deepEqual(resultJson(parseResult(JSON.stringify(V11)), "1.1.0"), V11);
});

Deno.test("resultJson() converts between versions", () => {
  const { json: _, ...result } = parseResult(JSON.stringify(V04));
  assert.deepEqual(resultJson(result, "0.4.0"), V04);
  assert.deepEqual(resultJson(result, "0.3.1"), { ...V04, cniVersion: "0.3.1" });
  assert.deepEqual(resultJson(result, "0.1.0"), {
    ...OLD,
    cniVersion: "0.1.0",
  });
  assert.deepEqual(resultJson(result, "1.0.0"), {
    ...V04,
    cniVersion: "1.0.0",
    ips: V11.ips,
  });
  const { json: __, ...newer } = parseResult(JSON.stringify(V11));
  const [first] = resultJson(newer, "1.1.0").interfaces as { mtu?: number }[];
  assert.equal(first?.mtu, 1450);
  assert.deepEqual(resultJson(newer, "0.4.0"), V04);
});

Deno.test("versionAtLeast() compares numbers", () => {
  assert.ok(versionAtLeast("0.10.0", "0.4.0"));
  assert.ok(versionAtLeast("0.4.0", "0.4.0"));
  assert.ok(!versionAtLeast("0.3.1", "0.4.0"));
  assert.ok(versionAtLeast("1.0.0", "0.4.0"));
});
