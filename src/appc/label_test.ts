import assert from "node:assert/strict";
import { architectureLabel, labelValue, parseLabels } from "./label.ts";

const label = (name: string, value: string) => ({ name, value });

Deno.test("parseLabels() reads labels in their order", () => {
  const labels = parseLabels([label("os", "linux"), label("arch", "amd64")], "labels");
  assert.equal(labelValue(labels, "arch"), "amd64");
  assert.equal(labelValue(labels, "version"), undefined);
});

const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ["labels with one name", [label("a", "1"), label("a", "2")], 'labels[1]: "a" is there twice'],
  [
    "the name name",
    [label("name", "x")],
    'labels[0].name: "name" is not allowed as the name of a label',
  ],
  [
    "an unknown os",
    [label("os", "constructor")],
    'labels: os "constructor" is not one of linux, freebsd, darwin',
  ],
  [
    "an unknown arch",
    [label("os", "freebsd"), label("arch", "s390x")],
    'labels: arch "s390x" is not one of amd64, i386, arm (os freebsd)',
  ],
  ["a missing value", [{ name: "a" }], "labels[0].value: is missing, a string is required"],
  ["another type", {}, "labels: an object is not an array"],
];

for (const [what, value, message] of REFUSED) {
  Deno.test(`parseLabels() refuses ${what}`, () => {
    assert.throws(() => parseLabels(value, "labels"), { name: "AppcError", message });
  });
}

Deno.test("parseLabels() checks arch only beside os", () => {
  assert.equal(parseLabels([label("arch", "pdp11")], "labels").length, 1);
});

Deno.test("architectureLabel() knows what Deno calls this machine", () => {
  assert.equal(architectureLabel("x86_64"), "amd64");
  assert.equal(architectureLabel("aarch64"), "aarch64");
});
