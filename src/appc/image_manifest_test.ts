import assert from "node:assert/strict";
import { label, parseImageManifest } from "./image_manifest.ts";

const APP = { exec: ["/bin/etcd"], user: "0", group: "0" };
const PORT = { name: "http", protocol: "tcp", port: 80 };
const BASE = {
  acKind: "ImageManifest",
  acVersion: "0.8.11",
  name: "example.com/reduce-worker",
  labels: [{ name: "os", value: "linux" }, { name: "arch", value: "amd64" }],
};

const read = (fields: Record<string, unknown>) =>
  parseImageManifest(JSON.stringify({ ...BASE, ...fields }));
const app = (fields: Record<string, unknown>) => ({ app: { ...APP, ...fields } });

Deno.test("parseImageManifest() reads a manifest with every field", () => {
  const manifest = read({
    app: {
      ...APP,
      supplementaryGIDs: [400],
      workingDirectory: "/opt/work",
      environment: [{ name: "REDUCE.DEBUG", value: "true" }],
      eventHandlers: [{ name: "pre-start", exec: ["/bin/data"] }],
      mountPoints: [{ name: "work", path: "/opt/work", readOnly: true }],
      ports: [{ ...PORT, count: 2, socketActivated: true }],
      isolators: [{ name: "resource/cpu", value: { limit: "20" } }],
      userAnnotations: { a: "b" },
      userLabels: { c: "d" },
      future: 1,
    },
    dependencies: [{
      imageName: "example.com/base",
      imageID: "sha512-" + "0".repeat(128),
      labels: BASE.labels,
      size: 22017258,
    }],
    pathWhitelist: ["/etc/ca", "/bin"],
    annotations: [
      { name: "created", value: "2014-10-27T19:32:27.67021798Z" },
      { name: "homepage", value: "https://example.com" },
      { name: "authors", value: "anyone" },
    ],
    unknown: { kept: true },
  });
  assert.equal(label(manifest, "os"), "linux");
  assert.deepEqual(manifest.raw.unknown, { kept: true });
  assert.deepEqual(manifest.app?.unknownFields, { future: 1 });
  assert.deepEqual(manifest.app?.ports, [{ ...PORT, count: 2, socketActivated: true }]);
  assert.equal(manifest.dependencies[0]?.size, 22017258);
});

Deno.test("parseImageManifest() fills in what may be absent", () => {
  const manifest = read(app({ isolators: null, ports: [PORT] }));
  assert.deepEqual(manifest.dependencies, []);
  assert.deepEqual(manifest.app?.isolators, []);
  assert.equal(manifest.app?.ports[0]?.count, 1);
  assert.equal(manifest.app?.workingDirectory, undefined);
});

const ports = (...list: Record<string, unknown>[]) => app({ ports: [PORT, ...list] });
const REFUSED: readonly (readonly [Record<string, unknown>, string])[] = [
  [{ acKind: "PodManifest" }, 'acKind: "PodManifest" is not "ImageManifest"'],
  [{ acVersion: undefined }, "acVersion: undefined is not a version like 0.8.11"],
  [
    { acVersion: "1.0.0" },
    'acVersion: "1.0.0" is not compatible: this is an implementation of 0.8.11',
  ],
  [{ name: undefined }, "name: a name is required"],
  [{ app: [] }, "app: an array is not an object"],
  [app({ user: "" }), "app.user: is empty"],
  [app({ group: undefined }), "app.group: is missing, a string is required"],
  [app({ exec: ["/bin/a", 1] }), "app.exec[1]: 1 is not a string"],
  [app({ exec: ["a\0b"] }), 'app.exec[0]: "a\\u0000b" contains a NUL character'],
  [app({ workingDirectory: "x" }), 'app.workingDirectory: "x" is not an absolute path'],
  [
    app({ supplementaryGIDs: [-1] }),
    "app.supplementaryGIDs[0]: -1 is not between 0 and 4294967294",
  ],
  [
    app({ environment: [{ name: "A", value: "1" }, { name: "A", value: "2" }] }),
    'app.environment[1]: "A" is there twice',
  ],
  [
    app({ environment: [{ name: "1A", value: "" }] }),
    'app.environment[0].name: "1A" is not a valid name of an environment variable: ' +
    "letters, digits and _ . -",
  ],
  [
    app({ eventHandlers: [{ name: "start", exec: ["a"] }] }),
    'app.eventHandlers[0].name: "start" is not one of pre-start, post-stop',
  ],
  [
    app({ eventHandlers: [{ name: "pre-start", exec: [] }] }),
    "app.eventHandlers[0].exec: names no program",
  ],
  [
    ports({ ...PORT, name: "b" }, { ...PORT, name: "c", port: 70000 }),
    "app.ports[2].port: 70000 is not between 1 and 65535",
  ],
  [ports({ ...PORT, name: "b", port: "80" }), 'app.ports[1].port: "80" is not a number'],
  [
    ports({ ...PORT, name: "b", port: 65535, count: 2 }),
    "app.ports[1].count: 2 ports from 65535 on end after 65535",
  ],
  [ports({ ...PORT, name: "b", count: -1 }), "app.ports[1].count: -1 is not between 0 and 65535"],
  [ports(PORT), 'app.ports[1]: "http" is there twice'],
  [{ pathWhitelist: ["bin"] }, 'pathWhitelist[0]: "bin" is not an absolute path'],
  [{ dependencies: [{}] }, "dependencies[0].imageName: a name is required"],
  [
    { dependencies: [{ imageName: "a", imageID: "sha1-00" }] },
    'dependencies[0].imageID: "sha1-00" is not an image ID: sha512- and 2 to 128 hexadecimal digits, or sha256- and 2 to 64',
  ],
  [
    { annotations: [{ name: "created", value: "today" }] },
    'annotations[0].value: "today" is not a date like 2026-01-31T12:00:00Z (RFC 3339)',
  ],
  [
    { annotations: [{ name: "homepage", value: "x" }] },
    'annotations[0].value: "x" is not an http or https URL',
  ],
];

for (const [fields, message] of REFUSED) {
  Deno.test(`parseImageManifest() refuses: ${message}`, () => {
    assert.throws(() => read(fields), { name: "AppcError", message });
  });
}

Deno.test("parseImageManifest() refuses what is no JSON object", () => {
  assert.throws(() => parseImageManifest("{"), /^AppcError: not valid JSON: /);
  assert.throws(() => parseImageManifest("[]"), /an array is not an object/);
  assert.throws(() => parseImageManifest("null"), { name: "AppcError" });
});

Deno.test("parseImageManifest() refuses deep and long texts quickly", () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  assert.throws(() => read({ x: JSON.parse(deep.slice(99_900, 100_100)) }), /levels deep/);
  const text = JSON.stringify(BASE);
  assert.throws(() => parseImageManifest(`${text.slice(0, -1)},"x":${deep}}`), /levels deep/);
  assert.throws(() => parseImageManifest(text + " ".repeat(5 << 20)), /longer than/);
  const many = { pathWhitelist: Array.from({ length: 100_001 }, () => "/a") };
  assert.throws(() => read(many), /pathWhitelist: 100001 elements are more than 100000/);
});
