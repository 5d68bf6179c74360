import { deepStrictEqual } from "node:assert/strict";
import { inOwnNetwork } from "../testing/own_network.ts";

const MODULE = new URL("link_sysctls.ts", import.meta.url).href;

const seenBy = (code: string): unknown =>
  inOwnNetwork(MODULE, ["allowIpv6", "ignoreRouters"], code);

Deno.test("allowIpv6() turns IPv6 on a link on and off, and then no router has a say", () => {
  const seen = seenBy(`
    const seen = [];
    for (const allowed of [false, true]) {
      allowIpv6("lo", allowed);
      seen.push(of("lo", "disable_ipv6"), of("lo", "accept_ra"));
    }
    ignoreRouters("default");
    console.log(JSON.stringify([...seen, of("default", "accept_ra")]));`);
  deepStrictEqual(seen, ["1", "1", "0", "0", "0"]);
});

Deno.test("a link without settings of IPv6 needs none", () => {
  deepStrictEqual(
    seenBy('allowIpv6("nowhere", true); ignoreRouters("nowhere"); console.log("[]");'),
    [],
  );
});
