import assert from "node:assert/strict";
import { type ConfigDirectories, readConfig } from "./config.ts";
import {
  configJson,
  configuredPaths,
  configuredStage1,
  dockerCredentials,
  httpCredentials,
} from "./settings.ts";

const AUTH = { rktKind: "auth", rktVersion: "v1" };
const basic = (user: string) => ({
  ...AUTH,
  type: "basic",
  domains: ["example.com"],
  credentials: { user, password: "secret" },
});

/** Files by path, such as `local/auth.d/a.json`. */
function withFiles(
  files: Record<string, unknown>,
  test: (directories: Required<ConfigDirectories>, root: string) => void,
): void {
  const root = Deno.makeTempDirSync();
  try {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      const text = typeof content === "string" ? content : JSON.stringify(content);
      Deno.writeTextFileSync(`${root}/${path}`, text);
    }
    test({ system: `${root}/system`, local: `${root}/local`, user: `${root}/user` }, root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("readConfig() finds nothing where there is nothing", () => {
  withFiles({}, (directories) => assert.deepEqual(readConfig(directories), []));
});

Deno.test("readConfig() lets later directories go before earlier ones, key by key", () => {
  const paths = { rktKind: "paths", rktVersion: "v1" };
  withFiles({
    "system/auth.d/a.json": basic("system"),
    "local/auth.d/z.json": { ...basic("local"), domains: ["example.com", "example.org:8443"] },
    "user/auth.d/a.json": basic("user"),
    "system/paths.d/p.json": { ...paths, data: "/system", "stage1-images": "/system/images" },
    "local/paths.d/p.json": { ...paths, data: "/local" },
  }, (directories) => {
    const found = httpCredentials(directories);
    assert.deepEqual(found.get("example.com"), { type: "basic", user: "user", password: "secret" });
    assert.deepEqual([...found.keys()], ["example.com", "example.org:8443"]);
    assert.deepEqual(configuredPaths(directories), {
      data: "/local",
      stage1Images: "/system/images",
    });
  });
});

Deno.test("httpCredentials() reads basic, oauth and aws, and not docker's", () => {
  withFiles({
    "local/auth.d/1.json": basic("jo"),
    "local/auth.d/2.json": {
      ...AUTH,
      type: "oauth",
      domains: ["b.com"],
      credentials: { token: "t" },
    },
    "local/auth.d/3.json": {
      ...AUTH,
      type: "aws",
      domains: ["c.com"],
      credentials: { accessKeyID: "id", secretAccessKey: "key" },
    },
    "local/auth.d/4.json": {
      rktKind: "dockerAuth",
      rktVersion: "v1",
      registries: ["quay.io"],
      credentials: { user: "d", password: "p" },
    },
  }, (directories) => {
    assert.deepEqual([...httpCredentials(directories)].slice(1), [
      ["b.com", { type: "oauth", token: "t" }],
      [
        "c.com",
        { type: "aws", accessKeyId: "id", secretAccessKey: "key", region: "us-east-1" },
      ],
    ]);
    assert.deepEqual([...dockerCredentials(directories).keys()], ["quay.io"]);
  });
});

Deno.test("configuredStage1() merges name with version, and location", () => {
  const stage1 = { rktKind: "stage1", rktVersion: "v1" };
  withFiles({
    "system/stage1.d/a.json": { ...stage1, name: "x.com/s", version: "1", location: "/s.aci" },
    "local/stage1.d/a.json": { ...stage1, name: "y.com/s", version: "2" },
  }, (directories) => {
    assert.deepEqual(configuredStage1(directories), {
      name: "y.com/s",
      version: "2",
      location: "/s.aci",
    });
    assert.deepEqual(configJson(readConfig(directories)), {
      stage0: [{
        rktVersion: "v1",
        rktKind: "stage1",
        name: "y.com/s",
        version: "2",
        location: "/s.aci",
      }],
    });
  });
});

Deno.test("configJson() says what the files said", () => {
  withFiles({ "local/auth.d/a.json": basic("jo") }, (directories) => {
    assert.deepEqual(configJson(readConfig(directories)), {
      stage0: [{
        ...AUTH,
        type: "basic",
        domains: ["example.com"],
        credentials: { user: "jo", password: "secret" },
      }],
    });
  });
});

Deno.test("readConfig() looks at regular .json files of the directory only", () => {
  withFiles({
    "local/auth.d/README": "not JSON",
    "local/auth.d/sub/a.json": "not JSON",
    "elsewhere/b.json": "not JSON",
  }, (directories, root) => {
    Deno.symlinkSync(`${root}/elsewhere/b.json`, `${root}/local/auth.d/link.json`);
    assert.deepEqual(readConfig(directories), []);
  });
});

Deno.test("readConfig() names the file and the field that is wrong", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ "local/auth.d/a.json": "{" }, /auth\.d\/a\.json: not valid JSON/],
    [{ "local/auth.d/a.json": { ...AUTH, rktVersion: "v2" } }, /rktVersion: "v2" is not "v1"/],
    [{ "local/auth.d/a.json": { ...AUTH, rktKind: "paths" } }, /rktKind: "paths" is not "auth" or/],
    [{ "local/auth.d/a.json": { ...basic("x"), type: "digest" } }, /type: "digest" is not basic/],
    [{ "local/auth.d/a.json": { ...basic("x"), type: "constructor" } }, /is not basic, oauth or/],
    [{ "local/auth.d/a.json": { ...basic("x"), domains: [] } }, /domains: names nobody/],
    [{ "local/auth.d/a.json": { ...basic("x"), domains: ["https://x"] } }, /domains\[0\]: /],
    [{ "local/auth.d/a.json": basic("") }, /credentials\.user: is empty/],
    [
      { "local/auth.d/a.json": { ...basic("x"), credentials: {} } },
      /credentials\.user: is missing/,
    ],
    [
      { "local/auth.d/a.json": basic("x"), "local/auth.d/b.json": basic("y") },
      /b\.json: auth for "example\.com" is given twice, here and in .*a\.json/,
    ],
    [
      { "local/paths.d/a.json": { rktKind: "paths", rktVersion: "v1", data: "relative" } },
      /data: "relative" is not an absolute path/,
    ],
    [
      { "local/stage1.d/a.json": { rktKind: "stage1", rktVersion: "v1", name: "x" } },
      /version: name and version go together/,
    ],
    [
      { "local/stage1.d/a.json": { rktKind: "stage1", rktVersion: "v1", location: "x.aci" } },
      /location: "x\.aci" is neither/,
    ],
  ];
  for (const [files, expected] of cases) {
    withFiles(files, (directories) => {
      assert.throws(() => readConfig(directories), { name: "Failure", message: expected });
    });
  }
});

Deno.test("readConfig() does not show secrets in its errors", () => {
  const credentials = { user: "jo", password: ["hunter2"] };
  withFiles({ "local/auth.d/a.json": { ...basic("jo"), credentials } }, (directories) => {
    assert.throws(() => readConfig(directories), (error: Error) => {
      assert.match(error.message, /credentials\.password: is missing, empty or not a string/);
      return !error.message.includes("hunter2");
    });
  });
});
