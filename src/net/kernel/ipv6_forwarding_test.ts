import { deepStrictEqual } from "node:assert/strict";
import { inOwnNetwork } from "../testing/own_network.ts";

const MODULE = new URL("ipv6_forwarding.ts", import.meta.url).href;

const seenBy = (code: string): unknown =>
  inOwnNetwork(MODULE, ["canForwardIpv6", "forwardIpv6"], code);

Deno.test("a host that becomes a router keeps taking routes by the links that have given it some", () => {
  const seen = seenBy(`
    const set = (link, name, value) => Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/" + link + "/" + name, value);
    set("all", "forwarding", "0");
    set("lo", "accept_ra", "1");
    set("default", "accept_ra", "0");
    forwardIpv6();
    const seen = [of("all", "forwarding"), of("lo", "accept_ra"), of("default", "accept_ra")];
    // Who was a router before has decided already.
    set("lo", "accept_ra", "1");
    forwardIpv6();
    console.log(JSON.stringify([...seen, of("lo", "accept_ra")]));`);
  deepStrictEqual(seen, ["1", "2", "0", "1"]);
});

Deno.test("where IPv6 is off for new links, pods have none, and nothing is changed", () => {
  const seen = seenBy(`
    Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "0");
    Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    const can = canForwardIpv6();
    const before = of("all", "forwarding");
    Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0");
    console.log(JSON.stringify([can, before, canForwardIpv6(), of("all", "forwarding")]));`);
  deepStrictEqual(seen, [false, "0", true, "1"]);
});
