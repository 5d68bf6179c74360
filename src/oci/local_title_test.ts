import assert from "node:assert/strict";
import { localTitle } from "./local_title.ts";

const titled = (path: string, name?: string) =>
  localTitle({ kind: "oci-archive", path, ...name !== undefined && { name } });

Deno.test("an image in a file is called by a whole name in it", () => {
  assert.deepEqual(titled("x.tar", "registry.example.com/web/app:3"), {
    name: "registry.example.com/web/app",
    version: "3",
  });
});

Deno.test("without a whole name it is called by the file's, and a tag is its version", () => {
  assert.deepEqual(titled("/srv/./web.oci.tar.gz/", "3"), { name: "web", version: "3" });
  assert.deepEqual(titled("/srv/web.tar"), { name: "web", version: undefined });
  assert.deepEqual(titled("web.tar", "@sha256:00"), { name: "web", version: undefined });
  // No reference: the name is taken for a tag.
  assert.deepEqual(titled("web.tar", "A:B:C"), { name: "web", version: "A:B:C" });
});

Deno.test("a file whose name has no letter and no digit makes an image of the name image", () => {
  assert.equal(titled("-").name, "image");
  assert.equal(titled("/").name, "image");
  assert.equal(titled(".tar").name, "image");
});
