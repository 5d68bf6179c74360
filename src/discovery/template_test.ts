import assert from "node:assert/strict";
import { parseImageName } from "../appc/image_name.ts";
import { fillTemplate } from "./template.ts";

const APP = parseImageName("example.com/app:1.2,os=linux,arch=amd64");

Deno.test("fillTemplate() fills in name, labels and extension", () => {
  assert.equal(
    fillTemplate("https://x.com/{os}/{arch}/{name}-{version}.{ext}?{ext}", APP, "aci"),
    "https://x.com/linux/amd64/example.com/app-1.2.aci?aci",
  );
});

Deno.test("fillTemplate() takes latest for an image without version", () => {
  assert.equal(fillTemplate("{version}", parseImageName("example.com/app"), "aci"), "latest");
});

Deno.test("fillTemplate() gives nothing where a label is missing", () => {
  assert.equal(fillTemplate("{name}-{channel}.{ext}", APP, "aci"), undefined);
  assert.equal(fillTemplate("{}", APP, "aci"), undefined);
});

Deno.test("fillTemplate() does not look at what it filled in", () => {
  const image = parseImageName("example.com/app,channel=%7Bos%7D,os=linux");
  assert.equal(fillTemplate("{channel}", image, "aci"), "{os}");
});
