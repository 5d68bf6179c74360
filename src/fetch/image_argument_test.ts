import assert from "node:assert/strict";
import { parseImageArgument, signatureLocation } from "./image_argument.ts";

const FILES = ["app", "dir/app", "sha512-file"];
const parse = (text: string) => parseImageArgument(text, (path) => FILES.includes(path));

Deno.test("parseImageArgument() tells IDs, files, URLs and names apart", () => {
  const cases: [string, string][] = [
    ["sha512-c36294bfa0fa", "id"],
    ["sha512-file", "file"],
    ["/srv/app", "file"],
    ["app", "file"],
    ["dir/app", "file"],
    ["./nosuch", "file"],
    ["nosuch.aci", "file"],
    ["file:///srv/app.aci", "file"],
    ["https://example.com/app.aci", "url"],
    ["HTTP://example.com/app.aci?x=1", "url"],
    ["docker://busybox", "registry"],
    ["OCI://localhost:5000/busybox", "registry"],
    ["oci:/srv/layout:1", "archive"],
    ["oci-archive:x.tar", "archive"],
    ["docker-archive:x.tar:nginx:1", "archive"],
    ["-", "archive"],
    ["sha256-c36294bfa0fa", "id"],
    ["example.com/app", "name"],
    ["example.com/app:1.2", "name"],
    ["example.com/app:1.2,os=linux", "name"],
    ["example.com/app:1.aci", "name"],
  ];
  for (const [text, kind] of cases) assert.equal(parse(text).kind, kind, text);
});

Deno.test("parseImageArgument() gives the parts", () => {
  assert.deepEqual(parse("file:///srv/a%20b.aci"), { kind: "file", path: "/srv/a b.aci" });
  assert.deepEqual(parse("docker://quay.io/x/y:1"), {
    kind: "registry",
    text: "docker://quay.io/x/y:1",
  });
  assert.deepEqual(parse("example.com/app:1.2,os=linux"), {
    kind: "name",
    image: {
      name: "example.com/app",
      labels: [{ name: "version", value: "1.2" }, { name: "os", value: "linux" }],
    },
  });
});

Deno.test("parseImageArgument() says what is wrong", () => {
  const cases: [string, RegExp][] = [
    ["", /image ""/],
    ["sha512-", /sha512-/],
    ["sha512-xyz", /image "sha512-xyz"/],
    ["https://example.com/app", /ends in \.aci/],
    ["https://", /not a valid URL/],
    [
      "https://jo:secret@example.com/app.aci",
      /\/\/…@example\.com\/app\.aci: put credentials into auth/,
    ],
    ["file://host/app.aci", /begins with file:\/\/\//],
    ["Example.com/App", /Example\.com/],
    ["example.com/app:", /no version/],
    ["example.com/app,os", /label=value/],
  ];
  for (const [text, expected] of cases) {
    assert.throws(() => parse(text), { name: "Failure", message: expected }, text);
  }
});

Deno.test("signatureLocation() is beside the image", () => {
  assert.equal(signatureLocation("/srv/app.aci"), "/srv/app.aci.asc");
  assert.equal(signatureLocation("https://x.com/a.aci?t=1"), "https://x.com/a.aci.asc?t=1");
});
