import assert from "node:assert/strict";
import type { JsonObject } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { parsePrefix } from "../model/address.ts";
import type { CniResult, NetworkConf } from "../model/cni.ts";
import {
  execPlugin,
  findPlugin,
  hasCapability,
  type PluginCall,
  pluginDirectories,
  portMappings,
} from "./cni_plugin.ts";
import { EMPTY_RESULT } from "./cni_result.ts";
import { until } from "../../../tests/world/until.ts";

/** A directory with a plugin `fake` that notes how it was called, and then runs a script. */
class Fake implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "rkt-cni-" });

  constructor(script: string) {
    const path = `${this.dir}/fake`;
    Deno.writeTextFileSync(
      path,
      `#!/bin/sh\nenv | sort > "${this.dir}/env"\ncat > "${this.dir}/input"\n${script}\n`,
    );
    Deno.chmodSync(path, 0o755);
  }

  read = (name: string): string => Deno.readTextFileSync(`${this.dir}/${name}`);

  input = (): JsonObject => JSON.parse(this.read("input"));

  call(more: Partial<PluginCall> = {}, json: JsonObject = {}, cniVersion = "0.4.0"): PluginCall {
    const plugin = { type: "fake", json: { type: "fake", ...json }, at: "net.d/10.conf" };
    const network: NetworkConf = { name: "n", cniVersion, plugins: [plugin], text: "" };
    const attachment = { containerId: "POD", netns: "/ns", ifName: "eth0", args: "" };
    const directories = ["/nowhere", this.dir];
    return { command: "ADD", network, plugin, attachment, directories, ...more };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

const refused = (call: PluginCall, message: string) =>
  assert.rejects(execPlugin(call), new Failure(message));

Deno.test("execPlugin() calls a plugin as the specification says", async () => {
  using fake = new Fake(`echo '{"ips":[{"address":"192.0.2.2/24"}]}'`);
  const call = fake.call({ capabilities: { portMappings: [], mac: "x" } }, {
    capabilities: { portMappings: true, ips: false },
    bridge: "b",
  });
  const result = await execPlugin(call);
  assert.deepEqual(result?.ips, [{ address: parsePrefix("192.0.2.2/24") }]);
  assert.deepEqual(fake.input(), {
    type: "fake",
    bridge: "b",
    cniVersion: "0.4.0",
    name: "n",
    runtimeConfig: { portMappings: [] },
  });
  const env = fake.read("env").trim().split("\n").filter((line) =>
    !/^(PWD|_|SHLVL|OLDPWD)=/.test(line)
  );
  assert.deepEqual(env, [
    "CNI_ARGS=",
    "CNI_COMMAND=ADD",
    "CNI_CONTAINERID=POD",
    "CNI_IFNAME=eth0",
    "CNI_NETNS=/ns",
    `CNI_PATH=/nowhere:${fake.dir}`,
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ]);
});

Deno.test("execPlugin() passes arguments on, which plugins may not know", async () => {
  using fake = new Fake("");
  const attachment = { containerId: "POD", netns: "/ns", ifName: "eth0", args: "IP=192.0.2.2" };
  await execPlugin(fake.call({ attachment }));
  assert.match(fake.read("env"), /^CNI_ARGS=IgnoreUnknown=1;IP=192\.0\.2\.2$/m);
});

const PREVIOUS: CniResult = {
  ...EMPTY_RESULT,
  interfaces: [{ name: "eth0", sandbox: "/ns" }],
};

Deno.test("execPlugin() hands results on where the version has that", async () => {
  using fake = new Fake("");
  const prevResult = async (command: PluginCall["command"], version: string) => {
    await execPlugin(fake.call({ command, previous: PREVIOUS }, {}, version));
    return fake.input().prevResult;
  };
  const expected = {
    cniVersion: "0.4.0",
    interfaces: PREVIOUS.interfaces,
    ips: [],
    routes: [],
    dns: {},
  };
  assert.deepEqual(await prevResult("ADD", "0.4.0"), expected);
  assert.deepEqual(await prevResult("DEL", "0.4.0"), expected);
  assert.deepEqual(await prevResult("CHECK", "1.1.0"), { ...expected, cniVersion: "1.1.0" });
  assert.equal(await prevResult("ADD", "0.2.0"), undefined);
  assert.deepEqual(await prevResult("ADD", "0.3.0"), { ...expected, cniVersion: "0.3.0" });
  assert.equal(await prevResult("DEL", "0.3.1"), undefined);
});

Deno.test("execPlugin() passes an error on in one line", async () => {
  using fake = new Fake(`printf %s '{"code":11,"msg":"no room","details":"all\\ntaken"}'; exit 1`);
  const who = `network "n": plugin fake (${fake.dir}/fake)`;
  await refused(fake.call(), `${who}: ADD failed: no room: all taken`);
  await refused(fake.call({ command: "DEL" }), `${who}: DEL failed: no room: all taken`);
});

Deno.test("execPlugin() says something where the plugin doesn't say it well", async () => {
  using silent = new Fake("exit 3");
  await refused(
    silent.call(),
    `network "n": plugin fake (${silent.dir}/fake): ADD failed and said nothing`,
  );
  using angry = new Fake("echo '{}'; echo first >&2; echo 'last  words' >&2; kill -9 $$");
  await refused(
    angry.call(),
    `network "n": plugin fake (${angry.dir}/fake): ADD failed: last words`,
  );
  using wrong = new Fake("echo nonsense");
  await assert.rejects(execPlugin(wrong.call()), /: its answer can't be read: not valid JSON/);
});

Deno.test("execPlugin() says which versions a plugin speaks", async () => {
  using fake = new Fake(
    `if [ $CNI_COMMAND = VERSION ]; then echo '{"supportedVersions":["0.3.0","0.4.0"]}'; exit; fi
     echo '{"code":1,"msg":"incompatible"}'; exit 1`,
  );
  await refused(
    fake.call({}, {}, "1.1.0"),
    `network "n": plugin fake (${fake.dir}/fake): it does not speak CNI 1.1.0; make cniVersion one of 0.3.0, 0.4.0`,
  );
});

Deno.test("execPlugin() says where it has looked for a plugin", async () => {
  using fake = new Fake("");
  const call = fake.call();
  await refused(
    { ...call, plugin: { ...call.plugin, type: "other" } },
    `network "n": no plugin of type "other" (net.d/10.conf); it is not built in, and not in /nowhere, ${fake.dir}`,
  );
});

Deno.test("execPlugin() takes the program that the configuration names", async () => {
  using fake = new Fake("echo '{}'");
  const call = fake.call({ directories: [] }, { plugin: `${fake.dir}/fake` });
  assert.deepEqual((await execPlugin(call))?.ips, []);
  for (const plugin of ["fake", `${fake.dir}/missing`, fake.dir]) {
    await refused(
      fake.call({}, { plugin }),
      `net.d/10.conf: the plugin ${JSON.stringify(plugin)} is not the absolute path of a program`,
    );
  }
});

Deno.test("execPlugin() is not stopped by a plugin that doesn't read", async () => {
  using fake = new Fake("");
  Deno.writeTextFileSync(`${fake.dir}/fake`, "#!/bin/sh\nexec 0<&-\necho '{}'\n");
  const call = fake.call({}, { much: "x".repeat(1 << 20) });
  assert.deepEqual((await execPlugin(call))?.ips, []);
});

Deno.test("findPlugin() finds programs only, and in the directories only", () => {
  using fake = new Fake("");
  Deno.writeTextFileSync(`${fake.dir}/text`, "");
  Deno.mkdirSync(`${fake.dir}/dir`);
  assert.equal(findPlugin("fake", ["/nowhere", fake.dir]), `${fake.dir}/fake`);
  const other = `../${fake.dir.slice(fake.dir.lastIndexOf("/") + 1)}/fake`;
  for (const type of ["text", "dir", "missing", other, "../bin/sh", "", "."]) {
    assert.equal(findPlugin(type, [fake.dir]), undefined);
  }
  assert.ok(pluginDirectories("/etc/rkt").includes("/etc/rkt/net.d"));
  assert.ok(pluginDirectories("etc").includes(`${Deno.cwd()}/etc/net.d`), "they run elsewhere");
});

Deno.test("hasCapability() wants true", () => {
  using fake = new Fake("");
  const { plugin } = fake.call({}, { capabilities: { portMappings: true, mac: false } });
  assert.ok(hasCapability(plugin, "portMappings"));
  assert.ok(!hasCapability(plugin, "mac"));
  assert.ok(!hasCapability(fake.call().plugin, "ips"));
});

Deno.test("portMappings() has one for each port", () => {
  const forward = { name: "a", protocol: "tcp", hostPort: 80, podPort: 8080, count: 2 } as const;
  assert.deepEqual(portMappings([forward, { ...forward, hostIp: new Uint8Array(4), count: 1 }]), [
    { hostPort: 80, containerPort: 8080, protocol: "tcp" },
    { hostPort: 81, containerPort: 8081, protocol: "tcp" },
    { hostPort: 80, containerPort: 8080, protocol: "tcp", hostIP: "0.0.0.0" },
  ]);
});

Deno.test("execPlugin() does not wait for what a plugin leaves behind", async () => {
  // The process has the plugin's output, and in the second case its input too.
  for (const left of ["sleep 1000 </dev/null &", "sleep 1000 &"]) {
    using fake = new Fake(`${left} echo $! > "$(dirname "$0")/pid"; echo '{"ips":[]}'`);
    const result = await execPlugin(fake.call());
    Deno.kill(Number(fake.read("pid")), "SIGKILL");
    assert.deepEqual(result?.ips, []);
  }
});

/** The processes of a group that have not ended. */
function processesOf(group: number): readonly string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((pid) => {
    try {
      // Its group is the third field behind the name; a zombie of it waits for init.
      const [state, , of] = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ??
        [];
      return Number(of) === group && state !== "Z";
    } catch {
      return false;
    }
  });
}

Deno.test("execPlugin() kills a plugin that takes too long, with all that it has started", async () => {
  for (
    const script of ["sleep 1000", "sleep 1000 & wait", "trap '' TERM; sleep 1000 >/dev/null"]
  ) {
    using fake = new Fake(`echo $$ > "${"$"}{0%/*}/pid"; ${script}`);
    await refused(
      fake.call({ timeLimit: 300 }),
      `network "n": plugin fake (${fake.dir}/fake): took longer than 0.3 seconds and was killed`,
    );
    const group = Number(fake.read("pid"));
    // The plugin itself is waited for; what it has started ends in the kernel's own time.
    await until(() => processesOf(group).length === 0, 30, `the end of process group ${group}`);
  }
});
