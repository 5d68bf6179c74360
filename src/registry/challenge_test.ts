import { deepStrictEqual } from "node:assert/strict";
import { parseChallenges } from "./challenge.ts";

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

Deno.test("parseChallenges() reads what registries send", () => {
  deepStrictEqual(
    read(
      'Bearer realm="https://auth.example.com/token",service="S",scope="repository:a/b:pull,push"',
    ),
    [["bearer", {
      realm: "https://auth.example.com/token",
      service: "S",
      scope: "repository:a/b:pull,push",
    }]],
  );
  deepStrictEqual(read('BASIC Realm="x"'), [["basic", { realm: "x" }]]);
});

Deno.test("parseChallenges() reads several challenges, quoted commas, escapes and token68", () => {
  deepStrictEqual(
    read('Newauth realm="apps", type=1, title="Login to \\"apps\\", now", Basic realm="simple"'),
    [
      ["newauth", { realm: "apps", type: "1", title: 'Login to "apps", now' }],
      ["basic", { realm: "simple" }],
    ],
  );
  deepStrictEqual(read('Negotiate YII=, Bearer realm = "r" , scope=s'), [
    ["negotiate", {}],
    ["bearer", { realm: "r", scope: "s" }],
  ]);
  deepStrictEqual(read("Negotiate, Basic"), [["negotiate", {}], ["basic", {}]]);
  deepStrictEqual(read(" , ,Basic realm=a, realm=b"), [["basic", { realm: "a" }]]);
});

Deno.test("parseChallenges() stops at what it can't read", () => {
  deepStrictEqual(read(""), []);
  deepStrictEqual(read('"quoted"'), []);
  deepStrictEqual(read('Basic realm="open'), [["basic", {}], ["realm", {}]]);
  deepStrictEqual(read(`Basic realm="${"\\".repeat(100_000)}`), [["basic", {}], ["realm", {}]]);
  deepStrictEqual(read("a ".repeat(100_000)).length, 32);
});
