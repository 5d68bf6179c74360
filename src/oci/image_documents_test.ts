import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { parseConfig } from "./image_config.ts";
import {
  checkImageManifest,
  choosePlatform,
  type OciIndex,
  type OciManifest,
  parseDocument,
} from "./image_documents.ts";
import { CONFIG_TYPES, MANIFEST_TYPES } from "./media_types.ts";

const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

const bytesOf = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

const layer = (mediaType = LAYER) => ({ mediaType, digest: digest("b"), size: 10 });

const MANIFEST = {
  schemaVersion: 2,
  mediaType: MANIFEST_TYPES.ociManifest,
  config: { mediaType: CONFIG_TYPES.oci, digest: digest("a"), size: 3 },
  layers: [layer()],
};

const INDEX = { schemaVersion: 2, mediaType: MANIFEST_TYPES.ociIndex, manifests: [] };

function manifestOf(value: unknown, declared?: string): OciManifest {
  const document = parseDocument(bytesOf(value), "x", declared);
  if (document.kind !== "manifest") throw new Error("an index");
  return document;
}

Deno.test("parseDocument() reads a manifest and an index", () => {
  const manifest = manifestOf(MANIFEST, MANIFEST_TYPES.ociManifest);
  strictEqual(manifest.config.digest, digest("a"));
  deepStrictEqual(manifest.layers.map(({ size }) => size), [10]);
  checkImageManifest(manifest, "x");
  strictEqual(parseDocument(bytesOf(INDEX), "x").kind, "index");
  strictEqual(parseDocument(bytesOf(INDEX), "x", "text/plain").kind, "index");
});

const REFUSED: readonly (readonly [what: string, value: unknown, RegExp, declared?: string])[] = [
  ["a manifest and an index in one", { ...MANIFEST, manifests: [] }, /ambiguous: it has both/],
  ["an index with a config", { ...INDEX, config: MANIFEST.config }, /ambiguous: it has both/],
  ["a field in two cases", { ...MANIFEST, Layers: [] }, /ambiguous: it has both "layers" and/],
  ["an index in another case", { ...MANIFEST, Manifests: [] }, /ambiguous: it has both/],
  ["schema 1 inside", { ...MANIFEST, fsLayers: [] }, /ambiguous: it has both/],
  ["schema 1", { schemaVersion: 1, fsLayers: [] }, /schema 1; push it again/],
  [
    "schema 1 by its type",
    MANIFEST,
    /schema 1; push it again/,
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
  ],
  ["another type than was sent", MANIFEST, /mediaType: ambiguous/, MANIFEST_TYPES.dockerManifest],
  ["a type of an index", { ...MANIFEST, mediaType: MANIFEST_TYPES.ociIndex }, /ambiguous: a man/],
  ["an unknown type", { ...MANIFEST, mediaType: "text/html" }, /neither an image's manifest/],
  ["no version", { ...MANIFEST, schemaVersion: undefined }, /schemaVersion: is missing/],
  ["no config", { ...MANIFEST, config: undefined }, /config: is missing/],
  ["a digest of MD5", { ...MANIFEST, config: { ...layer(), digest: "md5:00" } }, /config\.digest/],
  ["a path as a digest", {
    ...MANIFEST,
    layers: [{ ...layer(), digest: `sha256:../../${"a".repeat(58)}` }],
  }, /layers\[0\]\.digest/],
  ["a negative size", { ...MANIFEST, layers: [{ ...layer(), size: -1 }] }, /layers\[0\]\.size/],
  ["a huge size", { ...MANIFEST, layers: [{ ...layer(), size: 2 ** 50 }] }, /size: .* not between/],
  ["501 layers", { ...MANIFEST, layers: Array(501).fill(layer()) }, /501 layers are more than 500/],
  ["an array", [], /an array is not an object/],
  ["no JSON", "{", /not valid JSON/],
  ["4 MiB", " ".repeat((4 << 20) + 1), /larger than 4194304 bytes/],
];

for (const [what, value, reason, declared] of REFUSED) {
  Deno.test(`parseDocument() refuses ${what}`, () => {
    throws(() => parseDocument(bytesOf(value), "x", declared), (error) => {
      match(String(error), reason);
      return error instanceof Failure;
    });
  });
}

Deno.test("parseDocument() refuses bytes that are not UTF-8", () => {
  throws(() => parseDocument(Uint8Array.of(0x7b, 0xff, 0x7d), "x"), /not UTF-8/);
});

Deno.test("checkImageManifest() refuses what is no container image or can't be had", () => {
  const check = (change: object) => checkImageManifest(manifestOf({ ...MANIFEST, ...change }), "x");
  const chart = { ...MANIFEST.config, mediaType: "application/vnd.cncf.helm.config.v1+json" };
  throws(() => check({ config: chart }), /not a container image, but an artifact of type/);
  const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  throws(() => check({ layers: [layer(), layer(foreign)] }), /layer 2 of 2 is a foreign one/);
  const wide = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
  throws(() => check({ layers: [layer(wide)] }), /layer 1 of 1 is a foreign one/);
  throws(() => check({ layers: [{ ...layer(), urls: ["https://x/"] }] }), /is a foreign one/);
  throws(() => check({ layers: [layer(`${LAYER}+encrypted+encrypted`)] }), /no layer's/);
  throws(() => check({ layers: [layer("text/plain")] }), /"text\/plain", which is no layer's/);
});

const image = (platform: unknown, digit: string, annotations = {}) => ({
  mediaType: MANIFEST_TYPES.ociManifest,
  digest: digest(digit),
  size: 1,
  annotations,
  ...platform !== undefined && { platform },
});

function indexOf(manifests: readonly object[]): OciIndex {
  const document = parseDocument(bytesOf({ ...INDEX, manifests }), "x");
  if (document.kind !== "index") throw new Error("a manifest");
  return document;
}

const linux = (architecture: string, variant?: string) => ({ os: "linux", architecture, variant });

Deno.test("choosePlatform() takes the best image for the platform, and no attestation", () => {
  const index = indexOf([
    image({ os: "unknown", architecture: "unknown" }, "0"),
    image(linux("amd64"), "1", { "vnd.docker.reference.type": "attestation-manifest" }),
    image(linux("amd64"), "2"),
    image(linux("amd64", "v3"), "3"),
    image(linux("arm", "v5"), "5"),
    image(linux("arm", "v7"), "7"),
    image(linux("arm64"), "8"),
    image({ os: "windows", architecture: "amd64" }, "9"),
  ]);
  const chosen = (architecture: string, variant?: string) =>
    choosePlatform(index, {
      os: "linux",
      architecture,
      ...variant !== undefined && { variant },
    }, "x").digest;
  strictEqual(chosen("amd64", "v1"), digest("2"));
  strictEqual(chosen("amd64", "v2"), digest("2"));
  strictEqual(chosen("amd64", "v3"), digest("3"));
  strictEqual(chosen("arm64", "v8"), digest("8"));
  strictEqual(chosen("arm", "v6"), digest("5"));
  strictEqual(chosen("arm", "v7"), digest("7"));
  throws(() => chosen("s390x"), /x: has no image for linux\/s390x; there is "linux\/amd64", /);
});

Deno.test("choosePlatform() takes the only image of an index without platforms", () => {
  const wanted = { os: "linux", architecture: "amd64" };
  strictEqual(choosePlatform(indexOf([image(undefined, "1")]), wanted, "x").digest, digest("1"));
  throws(() => choosePlatform(indexOf([]), wanted, "x"), /there is none at all/);
});

const CONFIG = {
  os: "linux",
  architecture: "amd64",
  rootfs: { type: "layers", diff_ids: [digest("d")] },
  config: {
    User: "app:staff",
    ExposedPorts: { "80/tcp": {} },
    Env: ["A=1"],
    Cmd: null,
    Volumes: { "/data": {} },
  },
};

Deno.test("parseConfig() reads a configuration; absent fields are empty", () => {
  const { process, diffIds, platform, created } = parseConfig(
    bytesOf(CONFIG),
    "x",
    manifestOf(MANIFEST),
  );
  deepStrictEqual(diffIds, [digest("d")]);
  deepStrictEqual(platform, { os: "linux", architecture: "amd64" });
  deepStrictEqual([process.user, process.exposedPorts, process.cmd, process.volumes, created], [
    "app:staff",
    ["80/tcp"],
    [],
    ["/data"],
    "",
  ]);
});

Deno.test("parseConfig() refuses more volumes than anybody has", () => {
  const volumes = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`/${i}`, {}]));
  const parse = (count: number) =>
    parseConfig(
      bytesOf({ ...CONFIG, config: { Volumes: volumes(count) } }),
      "x",
      manifestOf(MANIFEST),
    );
  strictEqual(parse(1000).process.volumes.length, 1000);
  throws(() => parse(1001), /config\.Volumes: more than 1000 paths/);
});

Deno.test("parseConfig() refuses other counts of layers and types of root file systems", () => {
  const parse = (rootfs: unknown) =>
    parseConfig(bytesOf({ ...CONFIG, rootfs }), "x", manifestOf(MANIFEST));
  throws(() => parse({ type: "layers", diff_ids: [] }), /0 diff IDs, but the manifest has 1/);
  throws(() => parse({ type: "other", diff_ids: [] }), /rootfs.type: is not "layers"/);
  throws(() => parse(undefined), /rootfs: is missing/);
});
