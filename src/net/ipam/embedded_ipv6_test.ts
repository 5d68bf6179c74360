import assert from "node:assert/strict";
import { parseIp, parsePrefix, prefixText } from "../model/address.ts";
import { withIpv6 } from "./embedded_ipv6.ts";
import { NO_DNS } from "./ipam.ts";

const prefix = (text: string) => parsePrefix(text) ?? assert.fail(text);
const ip = (text: string) => parseIp(text) ?? assert.fail(text);

/** An allocation of IPv4, as texts, after IPv6 was added to it. */
function added(ipam: object, routes: readonly string[], can = true) {
  const allocation = {
    ips: [{ address: prefix("10.0.0.2/29"), gateway: ip("10.0.0.1") }],
    routes: routes.map((to) => ({ to: prefix(to) })),
    ...{ dns: NO_DNS, files: ["/net/10.0.0.2"] },
  };
  const result = withIpv6({ ...ipam }, "ipam", allocation, () => can);
  assert.deepEqual(result.files, allocation.files);
  return {
    ips: result.ips.map(({ address }) => prefixText(address)),
    gateways: result.ips.map(({ gateway }) => gateway?.toHex()),
    routes: result.routes.map(({ to }) => prefixText(to)),
  };
}

const FOUR = "10.0.0.2/29";

Deno.test("a pod has the IPv6 address that ends with its IPv4 one, and the gateway too", () => {
  assert.deepEqual(added({ ipv6: true }, ["10.9.0.0/16"]), {
    ips: [FOUR, "fd58:94bc:ef0a::10.0.0.2/125"],
    gateways: ["0a000001", "fd5894bcef0a0000000000000a000001"],
    routes: ["10.9.0.0/16"],
  });
});

Deno.test("a network with a default route has one of IPv6", () => {
  assert.deepEqual(added({ ipv6: true }, ["0.0.0.0/0"]).routes, ["0.0.0.0/0", "::/0"]);
});

Deno.test("without the field, and where the host can't, there is IPv4 only", () => {
  for (const seen of [added({}, ["0.0.0.0/0"]), added({ ipv6: true }, ["0.0.0.0/0"], false)]) {
    assert.deepEqual([seen.ips, seen.routes], [[FOUR], ["0.0.0.0/0"]]);
  }
  assert.throws(() => added({ ipv6: "yes" }, []), /ipam\.ipv6/);
});
