import assert from "node:assert/strict";
import { parseDns, parseHosts } from "./dns_arguments.ts";
import { type Flag, flagsOf, flagTable, type RawFlags, readFlag } from "../grammar/flags.ts";
import { RUN_FLAGS } from "../table/run_flags.ts";

const DNS_FLAGS = RUN_FLAGS.filter((flag) => flag.name.startsWith("dns"))
  .map(({ unsupported: _, ...flag }): Flag => flag);
const TABLE = flagTable(DNS_FLAGS);

function dns(...argv: string[]) {
  const given: RawFlags = new Map();
  for (let index = 0; index < argv.length;) index = readFlag(argv, index, TABLE, () => given);
  return parseDns(flagsOf(TABLE, given));
}

Deno.test("parseDns() reads servers, search, options and domain", () => {
  assert.deepEqual(dns(), { kind: "default" });
  assert.deepEqual(dns("--dns=host"), { kind: "host" });
  assert.deepEqual(dns("--dns=none"), { kind: "none" });
  const argv = ["--dns=8.8.8.8,::1", "--dns-search=a.b", "--dns-opt=rotate", "--dns-domain=c"];
  assert.deepEqual(dns(...argv), {
    kind: "custom",
    servers: ["8.8.8.8", "::1"],
    search: ["a.b"],
    options: ["rotate"],
    domain: "c",
  });
});

Deno.test("parseDns() refuses what is no address or contradicts itself", () => {
  assert.throws(() => dns("--dns=x"), {
    message: '--dns: "x" is neither an IP address nor host or none',
  });
  assert.throws(() => dns("--dns=host", "--dns=1.1.1.1"), {
    message: "--dns=host can't stand beside other --dns flags",
  });
  assert.throws(() => dns("--dns=none", "--dns-search=a"), /can't stand beside/);
  assert.throws(() => dns("--dns-search=a\nnameserver 6.6.6.6"), /can't stand in resolv.conf/);
});

Deno.test("parseHosts() reads entries", () => {
  assert.deepEqual(parseHosts([]), { kind: "default" });
  assert.deepEqual(parseHosts(["host"]), { kind: "host" });
  assert.deepEqual(parseHosts(["1.2.3.4=a,b.c", "::1=d"]), {
    kind: "entries",
    entries: [{ address: "1.2.3.4", names: ["a", "b.c"] }, { address: "::1", names: ["d"] }],
  });
  for (const bad of ["x", "x=a", "1.2.3.4=", "1.2.3.4=a,,b", "1.2.3.4=a b", "1.2.3=a"]) {
    assert.throws(() => parseHosts([bad]), /^Failure: --hosts-entry: /, bad);
  }
  assert.throws(() => parseHosts(["host", "1.2.3.4=a"]), /can't stand beside/);
});
