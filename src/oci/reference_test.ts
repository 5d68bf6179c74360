import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { parseOciLocation } from "./location.ts";
import { parseReference, referenceText } from "./reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

Deno.test("parseReference() fills in what rkt fills in", () => {
  const names: Record<string, string> = {
    "nginx": "registry-1.docker.io/library/nginx:latest",
    "nginx:1.27": "registry-1.docker.io/library/nginx:1.27",
    "grafana/grafana": "registry-1.docker.io/grafana/grafana:latest",
    "docker.io/nginx": "registry-1.docker.io/library/nginx:latest",
    "index.docker.io/a/b:1": "registry-1.docker.io/a/b:1",
    "quay.io/coreos/etcd:v3": "quay.io/coreos/etcd:v3",
    "quay.io/app": "quay.io/app:latest",
    "localhost/app": "localhost/app:latest",
    "LOCALHOST:5000/app": "localhost:5000/app:latest",
    "[::1]:5000/app": "[::1]:5000/app:latest",
    [`nginx@${DIGEST}`]: `registry-1.docker.io/library/nginx@${DIGEST}`,
    [`example.com/a/b/c:tag@${DIGEST}`]: `example.com/a/b/c:tag@${DIGEST}`,
    "a__b/c-d.e--f": "registry-1.docker.io/a__b/c-d.e--f:latest",
  };
  for (const [name, whole] of Object.entries(names)) {
    strictEqual(referenceText(parseReference(name)), whole);
  }
  deepStrictEqual(parseReference("nginx:1"), {
    registry: "registry-1.docker.io",
    registryGiven: false,
    givenName: "nginx",
    repository: "library/nginx",
    tag: "1",
  });
});

Deno.test("parseReference() says what is wrong", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /a part of the name is empty/],
    ["Nginx", /"Nginx" is not in lower case/],
    ["a//b", /a part of the name is empty/],
    ["a/../b", /"\.\." is not lower-case/],
    ["a___b", /"a___b" is not lower-case/],
    ["nginx:", /"" is not a tag/],
    [`nginx:${"a".repeat(129)}`, /is not a tag/],
    ["nginx:.x", /is not a tag/],
    ["nginx@sha256:00", /is not a digest/],
    [`nginx@${DIGEST.toUpperCase()}`, /is not a digest/],
    ["user:secret@example.com/app", /use rkt login/],
    ["exa_mple.com/app", /is not a host/],
    ["example.com:99999/app", /is not a host/],
    ["-a.com/app", /is not a host/],
    [`example.com/${"a".repeat(250)}`, /longer than 255/],
    ["a b", /is not lower-case/],
    ["a?b=c", /is not lower-case/],
  ];
  for (const [name, reason] of wrong) {
    throws(() => parseReference(name), (error) => {
      strictEqual(reason.test(String(error)), true, `${name}: ${error}`);
      return error instanceof Failure && !error.message.includes("secret");
    });
  }
});

Deno.test("parseOciLocation() tells registries, layouts and archives apart", () => {
  strictEqual(parseOciLocation("example.com/app:1"), undefined);
  strictEqual(parseOciLocation("/some/file.aci"), undefined);
  strictEqual(parseOciLocation("https://example.com/x.aci"), undefined);
  strictEqual(parseOciLocation("docker://nginx")?.kind, "registry");
  strictEqual(parseOciLocation("oci://nginx")?.kind, "registry");
  deepStrictEqual(parseOciLocation("oci:/tmp/dir"), { kind: "layout", path: "/tmp/dir" });
  deepStrictEqual(parseOciLocation("oci:dir:v1"), { kind: "layout", path: "dir", name: "v1" });
  deepStrictEqual(parseOciLocation("docker-archive:a.tar:docker.io/x:1"), {
    kind: "docker-archive",
    path: "a.tar",
    name: "docker.io/x:1",
  });
  deepStrictEqual(parseOciLocation("oci-archive:-"), { kind: "oci-archive", path: "-" });
  throws(() => parseOciLocation("oci:"), /names no path/);
  throws(() => parseOciLocation("oci:dir:"), /is empty/);
});
