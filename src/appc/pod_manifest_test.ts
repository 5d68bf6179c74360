import assert from "node:assert/strict";
import { parsePodManifest } from "./pod_manifest.ts";
import { podManifestJson } from "../pod/make/pod_manifest_json.ts";

// As rkt 1.30 wrote it: its own version, store keys for IDs, null for empty lists.
const POD = {
  acVersion: "1.30.0",
  acKind: "PodManifest",
  apps: [{
    name: "busybox",
    image: {
      name: "example.com/busybox",
      id: "sha512-c36294bfa0fa5cd2a7210e75415b3f0bc8e1d8a90366e4ed409e7762675526bb",
      labels: [{ name: "version", value: "1.35.0" }],
    },
    app: {
      exec: ["/bin/sh"],
      user: "0",
      group: "0",
      isolators: [{ name: "resource/cpu", value: { limit: "1" } }],
      future: true,
    },
    readOnlyRootFS: true,
    mounts: [{ volume: "data", path: "/data" }],
    annotations: [{ name: "a", value: "b" }],
  }],
  volumes: [
    { name: "data", kind: "host", source: "/srv", readOnly: true, recursive: false },
    { name: "tmp", kind: "empty", mode: "0700", uid: 5, gid: 6 },
  ],
  isolators: null as unknown,
  annotations: [{ name: "coreos.com/rkt/stage1/mutable", value: "false" }],
  ports: [{ name: "http", hostPort: 8080, hostIP: "127.0.0.1" }],
  userLabels: { x: "y" },
  future: [1],
};

const read = (fields: Record<string, unknown>) =>
  parsePodManifest(JSON.stringify({ ...POD, ...fields }));

Deno.test("podManifestJson() writes what parsePodManifest() reads", () => {
  const manifest = read({});
  assert.deepEqual(JSON.parse(podManifestJson(manifest)), { ...POD, isolators: [] });
  assert.deepEqual(parsePodManifest(podManifestJson(manifest)), manifest);
});

Deno.test("parsePodManifest() gives empty volumes their defaults", () => {
  const [volume] = read({ volumes: [{ name: "a", kind: "empty" }] }).volumes;
  assert.deepEqual(volume, { name: "a", kind: "empty", mode: 0o755, uid: 0, gid: 0 });
});

const volume = (fields: Record<string, unknown>) => ({ volumes: [{ name: "v", ...fields }] });
const appOf = (fields: Record<string, unknown>) => ({ apps: [{ ...POD.apps[0], ...fields }] });
const REFUSED: readonly (readonly [Record<string, unknown>, string])[] = [
  [{ acKind: "ImageManifest" }, 'acKind: "ImageManifest" is not "PodManifest"'],
  [
    { acVersion: "3.0.0" },
    'acVersion: "3.0.0" is not compatible: this is an implementation of 0.8.11',
  ],
  [{ apps: [POD.apps[0], POD.apps[0]] }, 'apps[1]: "busybox" is there twice'],
  [
    appOf({ image: {} }),
    "apps[0].image.id: undefined is not an image ID: sha512- and 2 to 128 hexadecimal digits, or sha256- and 2 to 64",
  ],
  [appOf({ app: {} }), "apps[0].app.user: is missing, a string is required"],
  [
    appOf({ mounts: [{ volume: "a" }] }),
    "apps[0].mounts[0].path: is missing, a string is required",
  ],
  [volume({ kind: "nfs" }), 'volumes[0].kind: "nfs" is not one of host, empty'],
  [volume({ kind: "host" }), "volumes[0].source: is missing, a string is required"],
  [volume({ kind: "host", source: "a" }), 'volumes[0].source: "a" is not an absolute path'],
  [
    volume({ kind: "host", source: "/a", mode: "0755" }),
    "volumes[0].mode: not allowed for a volume of kind host",
  ],
  [
    volume({ kind: "empty", recursive: true }),
    "volumes[0].recursive: not allowed for a volume of kind empty",
  ],
  [
    volume({ kind: "empty", mode: "999" }),
    'volumes[0].mode: "999" is not a mode in octal like "0755"',
  ],
  [{ ports: [{ name: "a", hostPort: 0 }] }, "ports[0].hostPort: 0 is not between 1 and 65535"],
  [{ userLabels: { a: 1 } }, "userLabels.a: 1 is not a string"],
];

for (const [fields, message] of REFUSED) {
  Deno.test(`parsePodManifest() refuses: ${message}`, () => {
    assert.throws(() => read(fields), { name: "AppcError", message });
  });
}
