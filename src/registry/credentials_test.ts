import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { DEFAULT_REGISTRY } from "../oci/reference.ts";
import { changeAuthFile, readAuthFile } from "./auth_file.ts";
import { askHelper } from "./credential_helper.ts";
import { authFiles, findCredentials, loginFile, loginHint } from "./credentials.ts";

async function inDirectory(test: (path: string) => Promise<void> | void): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "rkt-credentials-" });
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const user = (variables: Record<string, string>, uid = 1000) => ({
  uid,
  variable: (name: string) => new Map(Object.entries(variables)).get(name),
});

Deno.test("authFiles() lists the files of podman and docker", () => {
  deepStrictEqual(authFiles(user({ HOME: "/home/me", XDG_RUNTIME_DIR: "/run/user/1000" })), [
    "/run/user/1000/containers/auth.json",
    "/home/me/.config/containers/auth.json",
    "/home/me/.docker/config.json",
    "/home/me/.dockercfg",
  ]);
  deepStrictEqual(authFiles(user({ HOME: "/root", DOCKER_CONFIG: "/d" }, 0)).slice(0, 3), [
    "/run/containers/0/auth.json",
    "/root/.config/containers/auth.json",
    "/d/config.json",
  ]);
  deepStrictEqual(authFiles(user({ REGISTRY_AUTH_FILE: "/a", HOME: "/h" })), ["/a"]);
  strictEqual(loginFile(user({ REGISTRY_AUTH_FILE: "/a" })), "/a");
  strictEqual(
    loginFile(user({ XDG_RUNTIME_DIR: "/run/user/0" }, 0)),
    "/run/containers/0/auth.json",
  );
});

Deno.test("findCredentials() takes the most specific entry of the first file that has one", async () => {
  await inDirectory(async (path) => {
    const entry = (name: string) => ({ auth: btoa(`${name}:p`) });
    const write = async (name: string, content: unknown) => {
      await Deno.writeTextFile(`${path}/${name}`, JSON.stringify(content));
      return `${path}/${name}`;
    };
    const first = await write("1", {
      auths: {
        "quay.io": entry("host"),
        "quay.io/team": entry("team"),
        "quay.io/team/app": entry("app"),
        "https://old.example.com/v1/": entry("url"),
        "empty.example.com": {},
      },
    });
    const second = await write("2", {
      auths: { "https://index.docker.io/v1/": entry("hub"), "quay.io": entry("second") },
    });
    const find = async (registry: string, repository: string) => {
      const places = { configured: new Map(), files: [`${path}/none`, first, second] };
      const found = await findCredentials(registry, repository, places);
      return found?.secret.kind === "password" ? found.secret.user : found;
    };
    strictEqual(await find("quay.io", "team/app"), "app");
    strictEqual(await find("quay.io", "team/app/sub"), "app");
    strictEqual(await find("quay.io", "team/application"), "team");
    strictEqual(await find("quay.io", "other"), "host");
    strictEqual(await find("old.example.com", "x"), "url");
    strictEqual(await find("empty.example.com", "x"), undefined);
    strictEqual(await find("quay.io.evil.com", "x"), undefined);
    strictEqual(await find(DEFAULT_REGISTRY, "library/nginx"), "hub");
  });
});

Deno.test("readAuthFile() reads each kind of secret, and says nothing of a damaged file's content", async () => {
  await inDirectory(async (path) => {
    const file = `${path}/config.json`;
    const secretOf = async (value: unknown) => {
      await Deno.writeTextFile(file, JSON.stringify({ auths: { h: value } }));
      return readAuthFile(file)?.secrets.get("h");
    };
    deepStrictEqual(await secretOf({ auth: btoa("a:b:c") }), {
      kind: "password",
      user: "a",
      password: "b:c",
    });
    deepStrictEqual(await secretOf({ auth: btoa("<token>:"), identitytoken: "i" }), {
      kind: "identity token",
      token: "i",
    });
    deepStrictEqual(await secretOf({ registrytoken: "r" }), { kind: "registry token", token: "r" });
    strictEqual(readAuthFile(`${path}/none`), undefined);
    const damaged = [
      '{"auths":{"h":{"auth":"s3cret!"}}}',
      '{"auths":{"h":{"auth":["s3cret"]}}}',
      '{"auths":"s3cret"}',
      "s3cret",
      '["s3cret"]',
    ];
    for (const text of damaged) {
      await Deno.writeTextFile(file, text);
      throws(() => readAuthFile(file), (error) => {
        ok(!String(error).includes("s3cret"), String(error));
        return error instanceof Failure;
      });
    }
  });
});

Deno.test("changeAuthFile() keeps what others wrote, and the file to its owner", async () => {
  await inDirectory(async (path) => {
    const file = `${path}/new/auth.json`;
    const secret = { kind: "password" as const, user: "me", password: "p:q" };
    strictEqual(changeAuthFile(file, "h", undefined), false);
    strictEqual(changeAuthFile(file, "h", secret), false);
    strictEqual(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
    deepStrictEqual(JSON.parse(await Deno.readTextFile(file)), {
      auths: { h: { auth: btoa("me:p:q") } },
    });
    const others = {
      auths: { o: { auth: btoa("x:y"), email: "e" } },
      credsStore: "s",
      HttpHeaders: {},
    };
    await Deno.writeTextFile(file, JSON.stringify(others));
    changeAuthFile(file, "h", secret);
    strictEqual(changeAuthFile(file, "h", undefined), true);
    deepStrictEqual(JSON.parse(await Deno.readTextFile(file)), others);
    await Deno.writeTextFile(file, "damaged");
    throws(() => changeAuthFile(file, "h", secret), Failure);
    strictEqual(await Deno.readTextFile(file), "damaged");
  });
});

Deno.test("askHelper() asks as docker does, with limits", async () => {
  await inDirectory(async (path) => {
    const helper = async (script: string) =>
      await Deno.writeTextFile(`${path}/docker-credential-test`, `#!/bin/sh\n${script}\n`, {
        mode: 0o755,
      });
    const environment = { PATH: `${path}:/usr/bin:/bin` };
    const ask = (patience?: number) =>
      askHelper("test", "quay.io", { environment, ...patience !== undefined && { patience } });
    const answer = (json: string) =>
      helper(`test "$1" = get && test "$(cat)" = quay.io && echo '${json}'`);
    await answer('{"ServerURL":"quay.io","Username":"me","Secret":"p"}');
    deepStrictEqual(await ask(), { kind: "password", user: "me", password: "p" });
    await answer('{"Username":"<token>","Secret":"t"}');
    deepStrictEqual(await ask(), { kind: "identity token", token: "t" });
    await helper("echo credentials not found in native keychain; exit 1");
    strictEqual(await ask(), undefined);
    const refused: readonly (readonly [string, RegExp, number?])[] = [
      ["echo s3cret; exit 2", /failed with exit code 2 when asked for quay\.io/],
      ["echo s3cret", /its answer is not the JSON/],
      ['echo \'{"Username":"me"}\'', /its answer is not the JSON/],
      ["exec yes", /larger than 1048576 bytes/],
      ["exec sleep 1000", /gave no answer in time/, 50],
    ];
    for (const [script, reason, patience] of refused) {
      await helper(script);
      await rejects(ask(patience), (error) => {
        match(String(error), reason);
        ok(!String(error).includes("s3cret"));
        return error instanceof Failure;
      });
    }
    await rejects(askHelper("../evil", "quay.io"), /not a valid name/);
    await rejects(askHelper("none-of-that-name", "quay.io"), /not found in PATH/);
  });
});

Deno.test("loginHint() says whose passwords count under sudo", () => {
  strictEqual(loginHint("quay.io", user({}, 0)), "rkt login quay.io");
  strictEqual(
    loginHint(DEFAULT_REGISTRY, user({ SUDO_USER: "me" }, 0)),
    'rkt login docker.io; under sudo the passwords of root count, not those of "me"',
  );
});
