/** The validator of the App Container specification, which runs as two apps of a pod and looks at what the pod gives them. */
import assert from "node:assert/strict";
import { buildValidator, hasSpecSources } from "../world/actool.ts";
import { Service } from "../world/metadata_world.ts";
import { World } from "../world/pod_world.ts";
import type { Outcome } from "../world/rkt.ts";

let world: World;
let images: readonly string[];
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** What both images have in their manifests; the validator knows these values. */
const APP = {
  user: "0",
  group: "0",
  mountPoints: [{ name: "database", path: "/db", readOnly: false }],
};

/** The app that looks, with handlers that look before and after it. */
const MAIN = {
  ...APP,
  exec: ["/ace-validator", "main"],
  eventHandlers: [
    { name: "pre-start", exec: ["/ace-validator", "prestart"] },
    { name: "post-stop", exec: ["/ace-validator", "poststop"] },
  ],
  workingDirectory: "/opt/acvalidator",
  environment: [{ name: "IN_ACE_VALIDATOR", value: "correct" }],
};

/** The app beside it, with which it shares a volume. */
const SIDEKICK = { ...APP, exec: ["/ace-validator", "sidekick"] };

async function makeImages(): Promise<readonly string[]> {
  const root = `${world.dir}/validator`;
  Deno.mkdirSync(`${root}/opt/acvalidator`, { recursive: true });
  Deno.copyFileSync(buildValidator(), `${root}/ace-validator`);
  const apps = [["ace-validator-main", MAIN], ["ace-validator-sidekick", SIDEKICK]] as const;
  const files: string[] = [];
  for (const [name, app] of apps) {
    const manifest = `${world.dir}/${name}.json`;
    const labels = [{ name: "version", value: "1.0.0" }, { name: "os", value: "linux" }];
    const arch = { name: "arch", value: Deno.build.arch === "aarch64" ? "aarch64" : "amd64" };
    Deno.writeTextFileSync(
      manifest,
      JSON.stringify({
        ...{ acKind: "ImageManifest", acVersion: "0.8.11", name: `example.com/${name}` },
        ...{ labels: [...labels, arch], app },
        annotations: [{ name: "authors", value: "The validator's" }],
      }),
    );
    files.push(await world.build(`${name}.aci`, [`--manifest=${manifest}`], root));
  }
  return files;
}

/** Runs the two apps in a pod. */
async function validate(...flags: string[]): Promise<Outcome> {
  images ??= await makeImages();
  return await world.rkt("run", "--volume=database,kind=empty", ...flags, ...images);
}

const ALL_GOOD = ["main OK", "poststop OK", "prestart OK", "sidekick OK"];

/** The verdicts, in an order of their own: the apps run beside each other. */
const verdicts = (stdout: string): string[] =>
  stdout.trim().split("\n").map((line) => line.replace(/^.*\| /, "")).sort();

const KINDS: readonly (readonly string[])[] = [
  [],
  ["--no-overlay"],
  ["--private-users"],
];

function validatorTests(): void {
  for (const flags of KINDS) {
    Deno.test(`the validator complains of nothing but the metadata service where there is none: ${flags}`, async () => {
      const { code, stdout, stderr } = await validate("--net=none", ...flags);
      assert.equal(stderr, "==> AC_METADATA_URL is not set\n", stdout);
      assert.deepEqual(verdicts(stdout), ["main FAIL", ...ALL_GOOD.slice(1)]);
      assert.equal(code, 1);
    });
  }

  Deno.test("the validator complains of nothing in a pod that has registered with the metadata service", async () => {
    await using _service = await Service.start(world);
    // The second start may be a repeated one.
    for (let i = 0; i < 2; i++) {
      const { code, stdout, stderr } = await validate("--net=default", "--mds-register");
      assert.equal(stderr, "");
      assert.deepEqual(verdicts(stdout), ALL_GOOD);
      assert.equal(code, 0);
    }
  });
}

if (hasSpecSources()) validatorTests();
else console.log("SKIPPED: validator_test.ts: no Go, or no golang-github-appc-spec-dev");
