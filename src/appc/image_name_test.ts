import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { imageNameText, parseImageName } from "./image_name.ts";

Deno.test("parseImageName() reads name, version and labels", () => {
  assert.deepEqual(parseImageName("example.com/app:1.2,os=linux,channel=a%2Cb"), {
    name: "example.com/app",
    labels: [
      { name: "version", value: "1.2" },
      { name: "os", value: "linux" },
      { name: "channel", value: "a,b" },
    ],
  });
  assert.deepEqual(parseImageName("example.com/app"), { name: "example.com/app", labels: [] });
});

Deno.test("parseImageName() refuses other forms", () => {
  const bad = [
    "",
    ":1",
    "a:",
    "a,b",
    "a,=b",
    "a,b=",
    "a,name=x",
    "a:1,version=2",
    "a,b=1,b=2",
    "A",
  ];
  for (const text of [...bad, "a,os=beos", "a,b=%zz", "a b"]) {
    assert.throws(() => parseImageName(text), AppcError, text);
  }
});

Deno.test("imageNameText() writes what parseImageName() reads", () => {
  for (const text of ["a", "a:1", "a,os=linux", "example.com/a:1.2,os=linux,arch=amd64"]) {
    assert.equal(imageNameText(parseImageName(text)), text);
  }
});
