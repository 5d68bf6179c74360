import assert from "node:assert/strict";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { stage1Image } from "./stage1_image.ts";

const read = (annotations: Readonly<Record<string, string>>) =>
  stage1Image(parseImageManifest(JSON.stringify({
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: "example.com/stage1",
    annotations: Object.entries(annotations).map(([key, value]) => ({
      name: `coreos.com/rkt/stage1/${key}`,
      value,
    })),
  })));

Deno.test("stage1Image() reads entry points, and the first version where none is said", () => {
  const { entry, version } = read({ run: "/ex/run", enter: "/bin/enter", gc: "" });
  assert.equal(version, 1);
  assert.deepEqual([entry("run"), entry("enter"), entry("gc"), entry("stop")], [
    "ex/run",
    "bin/enter",
    undefined,
    undefined,
  ]);
  assert.equal(read({ run: "/r", "interface-version": "6" }).version, 6);
});

const REFUSED: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
  [{}, /is no stage1 image: it has no annotation coreos\.com\/rkt\/stage1\/run/],
  [{ run: "" }, /is no stage1 image/],
  [{ run: "ex/run" }, /is "ex\/run", not an absolute path/],
  [{ run: "/ex/../../../../bin/sh" }, /not an absolute path/],
  [{ run: "/ex//run" }, /not an absolute path/],
  [{ run: "/" }, /not an absolute path/],
  [{ run: "/r", "interface-version": "7" }, /version "7" of the interface, and this rkt 1 to 6/],
  [{ run: "/r", "interface-version": "0" }, /version "0"/],
  [{ run: "/r", "interface-version": "six" }, /version "six"/],
  [{ run: "/r", "interface-version": "" }, /version ""/],
];
for (const [annotations, message] of REFUSED) {
  Deno.test(`stage1Image() refuses ${JSON.stringify(annotations)}`, () => {
    assert.throws(() => read(annotations), { message });
  });
}
