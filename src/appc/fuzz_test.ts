import fc from "fast-check";
import { AppcError } from "./error.ts";
import { acIdentifierFrom, parseAcIdentifier } from "./identifier.ts";
import { parseImageManifest } from "./image_manifest.ts";
import { imageNameText, parseImageName } from "./image_name.ts";
import { acNameFrom, parseAcName } from "./name.ts";
import { parsePodManifest } from "./pod_manifest.ts";
import { podManifestJson } from "../pod/make/pod_manifest_json.ts";
import { milliUnits, parseQuantity } from "./quantity.ts";

const CASES = { numRuns: 10_000 };

const IMAGE = {
  acKind: "ImageManifest",
  acVersion: "0.8.11",
  name: "example.com/app",
  labels: [{ name: "os", value: "linux" }, { name: "arch", value: "amd64" }],
  app: {
    exec: ["/bin/a"],
    user: "0",
    group: "0",
    supplementaryGIDs: [1],
    workingDirectory: "/",
    environment: [{ name: "A", value: "b" }],
    eventHandlers: [{ name: "pre-start", exec: ["/bin/b"] }],
    mountPoints: [{ name: "m", path: "/m", readOnly: true }],
    ports: [{ name: "p", protocol: "tcp", port: 1, count: 2, socketActivated: true }],
    isolators: [
      { name: "resource/memory", value: { limit: "1G", request: "1M" } },
      { name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"], errno: "EPERM" } },
      { name: "os/linux/selinux-context", value: { user: "a", role: "b", type: "c", level: "d" } },
      { name: "resource/block-iops", value: { default: true, limit: "1" } },
    ],
  },
  dependencies: [{ imageName: "a", imageID: "sha512-00", labels: [], size: 1 }],
  pathWhitelist: ["/a"],
  annotations: [{ name: "created", value: "2026-01-01T00:00:00Z" }],
};

const POD = {
  acKind: "PodManifest",
  acVersion: "2.0.0",
  apps: [{
    name: "a",
    image: { id: "sha512-00" },
    app: IMAGE.app,
    mounts: [{ volume: "v", path: "/v" }],
  }],
  volumes: [{ name: "v", kind: "empty", mode: "0755" }, { name: "w", kind: "host", source: "/w" }],
  isolators: [{ name: "os/unix/sysctl", value: { "net.a": "1" } }],
  ports: [{ name: "p", hostPort: 1 }],
  userLabels: { a: "b" },
};

/** Values that have broken programs before, and any other JSON. */
const HOSTILE = fc.oneof(
  fc.constantFrom<unknown>(null, "", "\0", "../..", -1, 1e308, 0.5, true, [], {}, [[]], [null]),
  fc.constantFrom<unknown>(
    "__proto__",
    "constructor",
    "toString",
    "9".repeat(1000),
    "a-".repeat(500),
  ),
  fc.jsonValue({ maxDepth: 4 }),
);

/** How many places of a value can be changed. */
function places(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, each) => sum + places(each), 1);
}

/** The value with the place of that number replaced, counted from the top. */
function mutated(value: unknown, place: number, change: unknown): unknown {
  if (place === 0) return change;
  if (typeof value !== "object" || value === null) return value;
  let start = 1;
  const entries = Object.entries(value).map(([key, each]) => {
    const size = places(each);
    const inside = place >= start && place < start + size;
    const next = inside ? mutated(each, place - start, change) : each;
    start += size;
    return [key, next] as const;
  });
  return Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}

function mutations(base: unknown): fc.Arbitrary<string> {
  const change = fc.tuple(fc.integer({ min: 1, max: places(base) - 1 }), HOSTILE);
  return fc.array(change, { minLength: 1, maxLength: 3 })
    .map((changes) => changes.reduce((value, [at, to]) => mutated(value, at, to), base))
    .map((value) => JSON.stringify(value));
}

/** Runs what may refuse its input, but only by an `AppcError`. */
function refusable(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof AppcError) || error.message.includes("\n")) throw error;
  }
}

Deno.test("parseImageManifest() survives any JSON and any text", () => {
  const text = fc.oneof(fc.json(), fc.string({ unit: "binary" }));
  fc.assert(fc.property(text, (json) => refusable(() => parseImageManifest(json))), CASES);
});

Deno.test("parseImageManifest() survives damaged manifests", () => {
  parseImageManifest(JSON.stringify(IMAGE));
  const property = fc.property(
    mutations(IMAGE),
    (json) => refusable(() => parseImageManifest(json)),
  );
  fc.assert(property, CASES);
});

Deno.test("parsePodManifest() survives damaged manifests, and what it takes is stable", () => {
  parsePodManifest(JSON.stringify(POD));
  const property = fc.property(mutations(POD), (json) =>
    refusable(() => {
      const manifest = parsePodManifest(json);
      const written = podManifestJson(manifest);
      if (podManifestJson(parsePodManifest(written)) !== written) throw new Error(written);
    }));
  fc.assert(property, CASES);
});

Deno.test("names survive any text, and what is made of text is a name", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 2000 }),
    fc.stringMatching(/^[a-z.~/_-]{0,40}$/),
    fc.constantFrom("a-", "-.", "/").map((each) => each.repeat(500)),
  );
  const property = fc.property(text, (given) => {
    refusable(() => parseAcIdentifier(given));
    refusable(() => parseAcName(given));
    refusable(() => parseAcIdentifier(acIdentifierFrom(given)));
    refusable(() => parseAcName(acNameFrom(given)));
  });
  fc.assert(property, CASES);
});

Deno.test("parseImageName() survives any text, and what it takes is stable", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-z.:,=%/0-9]{0,30}$/));
  const property = fc.property(text, (given) =>
    refusable(() => {
      const { name, labels } = parseImageName(given);
      imageNameText({ name, labels });
    }));
  fc.assert(property, CASES);
});

Deno.test("parseQuantity() survives any text", () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[+-]?[0-9.]{0,45}[eEinumkKMGTP+-]{0,3}[0-9]{0,5}$/),
  );
  fc.assert(fc.property(text, (given) => refusable(() => milliUnits(parseQuantity(given)))), CASES);
});
