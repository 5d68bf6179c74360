import assert from "node:assert/strict";
import { parseAnnotations } from "../appc/annotation.ts";
import { parseIsolators } from "../appc/isolator.ts";
import { parseAcName } from "../appc/name.ts";
import { RKT_ANNOTATIONS } from "../appc/rkt_annotation.ts";
import type { Volume } from "../appc/volume.ts";
import { podManifest } from "./run_manifest.ts";
import type { AppRequest, PodRequest } from "./request.ts";
import { KEY, runRequest, storedImage } from "./testing/request_fixture.ts";

const NOTHING = { inherited: [], fromFiles: [] };
const name = parseAcName;
const volume: Volume = { name: name("data"), kind: "empty", mode: 0o755, uid: 0, gid: 0 };

/** The manifest of a pod of one app. */
function manifest(
  image = storedImage("app"),
  asked: Partial<AppRequest> = {},
  pod: Partial<PodRequest> = {},
) {
  return podManifest(runRequest([asked], pod), [image], NOTHING);
}

/** Its app. */
function only(...args: Parameters<typeof manifest>) {
  const [app, ...others] = manifest(...args).apps;
  assert.ok(app?.app !== undefined && others.length === 0);
  return { ...app, app: app.app };
}

Deno.test("podManifest() runs an image as it says", () => {
  const app = only(storedImage("web-server", { exec: ["/bin/a", "b"], user: "www", group: "7" }));
  assert.equal(app.name, "web-server");
  assert.equal(app.image.id, KEY);
  assert.deepEqual(app.app.exec, ["/bin/a", "b"]);
  assert.deepEqual([app.app.user, app.app.group, app.app.workingDirectory], ["www", "7", "/"]);
});

Deno.test("podManifest() makes a name of the image's that is none itself", () => {
  assert.equal(only(storedImage("a.b_c")).name, "a-b-c");
});

Deno.test("podManifest() lets flags go before the image", () => {
  const image = storedImage("app", {
    exec: ["/bin/a", "b"],
    workingDirectory: "/w",
    supplementaryGIDs: [1],
  });
  const app = only(image, {
    name: name("other"),
    exec: "/bin/sh",
    args: ["-c", "x"],
    user: "1",
    group: "2",
    supplementaryGIDs: [3],
    workingDirectory: "/there",
    readOnlyRootFS: true,
  });
  assert.deepEqual([app.name, app.readOnlyRootFS], ["other", true]);
  const { exec, user, group, supplementaryGIDs, workingDirectory } = app.app;
  assert.deepEqual(exec, ["/bin/sh", "-c", "x"]);
  assert.deepEqual([user, group, supplementaryGIDs, workingDirectory], ["1", "2", [3], "/there"]);
});

Deno.test("podManifest() appends arguments to the image's own command", () => {
  assert.deepEqual(only(storedImage("app"), { args: ["x"] }).app.exec, ["/bin/true", "x"]);
});

Deno.test("podManifest() refuses an image that does not say what to run, unless a flag does", () => {
  const none = storedImage("base", undefined, { app: undefined });
  assert.throws(() => manifest(none), /does not say what to run; say it with --exec$/);
  assert.throws(() => manifest(storedImage("base", { exec: [] })), /say it with --exec$/);
  const { app } = only(none, { exec: "/bin/sh" });
  assert.deepEqual([app.exec, app.user, app.group], [["/bin/sh"], "0", "0"]);
});

for (
  const [label, labels, message] of [
    ["os", [{ name: "arch", value: "amd64" }], /no "os" label/],
    ["arch", [{ name: "os", value: "linux" }], /no "arch" label/],
    ["os", [{ name: "os", value: "freebsd" }, { name: "arch", value: "amd64" }], /"freebsd"/],
    ["arch", [{ name: "os", value: "linux" }, { name: "arch", value: "ppc64" }], /"ppc64"/],
  ] as const
) {
  Deno.test(`podManifest() refuses an image by its ${label}: ${message}`, () => {
    assert.throws(() => manifest(storedImage("app", {}, { labels })), message);
  });
}

Deno.test("podManifest() refuses two apps of one name, and says how to tell them apart", () => {
  const two = runRequest([{ image: "first" }, { image: "second" }]);
  const images = [storedImage("app"), storedImage("app")];
  const message = /^Failure: image "second": there is already an app "app" .*--name$/;
  assert.throws(() => podManifest(two, images, NOTHING), message);
});

Deno.test("podManifest() lets the later source of a variable win: caller, image, files, pod, app", () => {
  const variable = (value: string, ...names: string[]) => names.map((name) => ({ name, value }));
  const image = storedImage("app", { environment: variable("image", "B", "C", "D", "E") });
  const request = runRequest(
    [{ environment: variable("app", "E") }],
    { environment: variable("pod", "D", "E") },
  );
  const made = podManifest(request, [image], {
    inherited: variable("caller", "A", "B", "C", "D", "E"),
    fromFiles: variable("file", "C", "D", "E"),
  });
  const found = made.apps[0]?.app?.environment.map(({ name, value }) => `${name}=${value}`);
  assert.deepEqual(found, ["A=caller", "B=image", "C=file", "D=pod", "E=app"]);
});

Deno.test("podManifest() lets an isolator of a flag take the place of the image's of its kind", () => {
  const isolator = (kind: string, ...set: string[]) => ({
    name: `os/linux/capabilities-${kind}-set`,
    value: { set },
  });
  const memory = { name: "resource/memory", value: { limit: "1Gi" } };
  const image = storedImage("app", { isolators: [memory, isolator("retain", "CAP_KILL")] });
  const isolators = parseIsolators([isolator("remove", "CAP_CHOWN")], "flags", "app");
  const found = only(image, { isolators }).app.isolators.map(({ name }) => name);
  assert.deepEqual(found, ["resource/memory", "os/linux/capabilities-remove-set"]);
});

Deno.test("podManifest() gives each mount point the volume of its name, or a new empty one", () => {
  const mountPoints = [{ name: "data", path: "/data" }, { name: "cache", path: "/cache" }];
  const made = manifest(storedImage("app", { mountPoints }), {}, { volumes: [volume] });
  assert.deepEqual(made.apps[0]?.mounts, [
    { volume: "data", path: "/data" },
    { volume: "app-cache", path: "/cache" },
  ]);
  assert.deepEqual(made.volumes.map(({ name, kind }) => [name, kind]), [
    ["data", "empty"],
    ["app-cache", "empty"],
  ]);
});

Deno.test("podManifest() takes explicit mounts first: the app's, then the pod's, then mount points", () => {
  const mountPoints = [{ name: "data", path: "/data" }];
  const mounts = (...paths: string[]) => paths.map((path) => ({ volume: name("data"), path }));
  const pod = { volumes: [volume], mounts: mounts("/data", "/pod") };
  const app = only(storedImage("app", { mountPoints }), { mounts: mounts("/data", "/app") }, pod);
  assert.deepEqual(app.mounts.map(({ path }) => path), ["/pod", "/data", "/app"]);
});

Deno.test("podManifest() refuses a mount of a volume that is not declared", () => {
  const mounts = [{ volume: name("none"), path: "/x" }];
  const message =
    /^Failure: --mount: there is no volume "none"; declare it with --volume none,kind=…$/;
  assert.throws(() => manifest(storedImage("app"), { mounts }), message);
});

Deno.test("podManifest() keeps annotations of the image that are neither rkt's nor a flag's", () => {
  const annotations = ["example.com/a", "example.com/b", RKT_ANNOTATIONS.stdout]
    .map((each) => ({ name: each, value: "image" }));
  const image = storedImage("app", {}, { annotations });
  const found = only(image, {
    annotations: parseAnnotations([{ name: "example.com/a", value: "flag" }], "flags"),
    stdin: "null",
  }).annotations.map(({ name, value }) => [name, value]);
  assert.deepEqual(found.filter(([name]) => name?.startsWith("example.com")), [
    ["example.com/b", "image"],
    ["example.com/a", "flag"],
  ]);
  // An image has no say in what is rkt's.
  assert.ok(!found.some(([name]) => name === RKT_ANNOTATIONS.stdout));
  assert.ok(found.some(([name, value]) => name === RKT_ANNOTATIONS.stdin && value === "null"));
});

Deno.test("podManifest() notes what is the pod's: its name, and that apps come and go", () => {
  assert.deepEqual(manifest().annotations, []);
  const made = manifest(undefined, {}, { name: name("db"), sandbox: true });
  assert.deepEqual(made.annotations.map(({ value }) => value).sort(), ["db", "true"]);
});
