import assert from "node:assert/strict";
import { savedName } from "./image_names.ts";
import { localTitle, openedTitle } from "./local_title.ts";

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

Deno.test("the name that an archive has for its image counts where the caller names none", async () => {
  const source = {
    name: "x.tar",
    platform: { os: "linux", architecture: "amd64" },
    manifest: () => Promise.reject(new Error("not asked")),
    blob: () => Promise.reject(new Error("not asked")),
    savedName: () => Promise.resolve("localhost/app:1.2"),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const opened = (name?: string) =>
    openedTitle(
      { kind: "docker-archive", path: "x.tar", ...name !== undefined && { name } },
      source,
    );
  assert.deepEqual(await opened(), { name: "localhost/app", version: "1.2" });
  assert.deepEqual(await opened("example.com/web:3"), { name: "example.com/web", version: "3" });
  assert.deepEqual(await opened("3"), { name: "x", version: "3" });
});

Deno.test("savedName() takes the first whole name, and no tag for one", () => {
  assert.equal(savedName(["7", "docker.io/library/redis:7"]), "docker.io/library/redis:7");
  assert.equal(savedName(["redis:7", "redis:latest"]), "redis:7");
  assert.equal(savedName(["1.2", "latest", "", "A:B:C", "../x:1"]), undefined);
});
