import assert from "node:assert/strict";
import { parseIp, parsePrefix, prefixText } from "./address.ts";
import {
  flagText,
  type Forward,
  forwardOf,
  type ForwardTarget,
  storedForward,
  targetsOf,
} from "./forward.ts";

const forward = (hostIp?: string): Forward => {
  const address = hostIp === undefined ? undefined : parseIp(hostIp) ?? assert.fail(hostIp);
  const ports = { hostPort: 8080, podPort: 80, count: 2 };
  return { name: "http", protocol: "tcp", ...ports, ...address && { hostIp: address } };
};

const target = (...prefixes: readonly string[]): ForwardTarget => ({
  addresses: prefixes.map((text) => parsePrefix(text) ?? assert.fail(text)),
  switched: false,
  routed: true,
});

Deno.test("flagText() writes a forward as on the command line, IPv6 in brackets", () => {
  assert.equal(flagText(forward()), "--port=http:8080");
  assert.equal(flagText(forward("192.0.2.1")), "--port=http:192.0.2.1:8080");
  assert.equal(flagText(forward("fd00::1")), "--port=http:[fd00::1]:8080");
});

Deno.test("storedForward() survives JSON and forwardOf() reads it back", () => {
  for (const each of [forward(), forward("192.0.2.1"), forward("::")]) {
    assert.deepEqual(forwardOf(JSON.parse(JSON.stringify(storedForward(each)))), each);
  }
});

Deno.test("targetsOf() has the first address of each family, or of the family of hostIp", () => {
  const all = target("10.0.0.2/24", "10.0.0.3/24", "fd00::2/64");
  const texts = (each: Forward, of = all) => targetsOf(each, of).map(prefixText);
  assert.deepEqual(texts(forward()), ["10.0.0.2/24", "fd00::2/64"]);
  assert.deepEqual(texts(forward("192.0.2.1")), ["10.0.0.2/24"]);
  assert.deepEqual(texts(forward("::1")), ["fd00::2/64"]);
  assert.deepEqual(texts(forward("::1"), target("10.0.0.2/24")), []);
});
