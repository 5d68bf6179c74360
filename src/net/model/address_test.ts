import assert from "node:assert/strict";
import {
  compareIp,
  contains,
  ipText,
  lastOf,
  mask,
  networkOf,
  nextIp,
  parseIp,
  parsePrefix,
  prefixText,
} from "./address.ts";

const ip = (text: string) => {
  const address = parseIp(text);
  assert.ok(address, text);
  return address;
};
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
};

Deno.test("parseIp() and ipText() go both ways, in the form of RFC 5952", () => {
  const forms: readonly (readonly [string, string])[] = [
    ["172.16.28.2", "172.16.28.2"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:DB8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["fd00::10:0:0:0", "fd00::10:0:0:0"],
    ["fd58:94bc:ef0a::ac10:1c02", "fd58:94bc:ef0a::172.16.28.2"],
    ["fd58:94bc:ef0a:0:0:1:ac10:1c02", "fd58:94bc:ef0a::1:ac10:1c02"],
  ];
  for (const [text, shown] of forms) assert.equal(ipText(ip(text)), shown);
});

Deno.test("parseIp() refuses what is no address", () => {
  const wrong =
    "1.2.3 1.2.3.4.5 1.2.3.256 01.2.3.4 1.2.3.a :: :::: 1::2::3 1:2:3:4:5:6:7 12345:: :1 " +
    "1:2:3:4:5:6:7::8 fe80::1%eth0 ::1.2.3 1.2.3.4::";
  for (const text of wrong.split(" ").filter((each) => each !== "::")) {
    assert.equal(parseIp(text), undefined, text);
  }
  assert.equal(parseIp(""), undefined);
});

Deno.test("parsePrefix() refuses what is no prefix", () => {
  for (const text of ["1.2.3.4", "1.2.3.4/33", "1.2.3.4/", "::/129", "1.2.3.4/-1", "/8"]) {
    assert.equal(parsePrefix(text), undefined, text);
  }
});

Deno.test("networks have a first and a last address and a mask", () => {
  const network = prefix("172.16.29.77/23");
  assert.equal(prefixText(networkOf(network)), "172.16.28.0/23");
  assert.equal(ipText(lastOf(network)), "172.16.29.255");
  assert.equal(ipText(mask(network)), "255.255.254.0");
  assert.equal(ipText(mask(prefix("1.2.3.4/0"))), "0.0.0.0");
  assert.equal(ipText(mask(prefix("1.2.3.4/32"))), "255.255.255.255");
  assert.equal(ipText(lastOf(prefix("fd00::/65"))), "fd00::7fff:ffff:ffff:ffff");
  assert.ok(contains(network, ip("172.16.28.1")));
  assert.ok(!contains(network, ip("172.16.30.1")));
  assert.ok(!contains(network, ip("::1")));
});

Deno.test("nextIp() carries, compareIp() sorts", () => {
  assert.equal(ipText(nextIp(ip("10.0.255.255"))), "10.1.0.0");
  assert.equal(ipText(nextIp(ip("255.255.255.255"))), "0.0.0.0");
  assert.equal(ipText(nextIp(ip("fd00::ffff"))), "fd00::1:0");
  assert.ok(compareIp(ip("10.0.0.9"), ip("10.0.0.10")) < 0);
  assert.equal(compareIp(ip("10.0.0.9"), ip("10.0.0.9")), 0);
});
