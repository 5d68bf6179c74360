import { deepStrictEqual } from "node:assert/strict";

const MODULE = new URL("link_sysctls.ts", import.meta.url).href;

/** Runs code with this module in a network of its own; returns what it prints. */
function inOwnNetwork(code: string): unknown {
  const script = `import { allowIpv6, ignoreRouters } from ${JSON.stringify(MODULE)};
    const of = (link, name) => Deno.readTextFileSync("/proc/sys/net/ipv6/conf/" + link + "/" + name).trim();
    ${code}`;
  const args = ["--net", Deno.execPath(), "eval", "--no-check", script];
  const { stdout, stderr } = new Deno.Command("unshare", { args }).outputSync();
  const text = new TextDecoder();
  return JSON.parse(text.decode(stdout) || JSON.stringify(text.decode(stderr)));
}

Deno.test("allowIpv6() turns IPv6 on a link on and off, and then no router has a say", () => {
  const seen = inOwnNetwork(`
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
    inOwnNetwork('allowIpv6("nowhere", true); ignoreRouters("nowhere"); console.log("[]");'),
    [],
  );
});
