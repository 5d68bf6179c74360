import assert from "node:assert/strict";
import { findCommand, readInvocation } from "../grammar/command_line.ts";
import { COMMANDS } from "../table/commands.ts";
import { parseSeccompArgument } from "./limit_arguments.ts";
import { runRequest } from "./run_arguments.ts";

const request = (...argv: string[]) =>
  runRequest(readInvocation(findCommand(["run", ...argv], COMMANDS)));

Deno.test("runRequest() reads images, their flags and arguments", () => {
  const argv = [
    ...["--net=host", "a.aci", "--exec", "/bin/a", "--user=1", "--", "-x", "--", "--user=2", "---"],
    ...["b.aci", "--name=bee", "--environment=K=V=W", "---", "c.aci", "--", "last"],
  ];
  const { apps, pod } = request(...argv);
  assert.deepEqual(apps.map((app) => app.image), ["a.aci", "b.aci", "c.aci"]);
  assert.deepEqual(apps.map((app) => app.args), [["-x", "--", "--user=2"], [], ["last"]]);
  assert.deepEqual(apps.map((app) => app.exec), ["/bin/a", undefined, undefined]);
  assert.deepEqual(apps.map((app) => app.user), ["1", undefined, undefined]);
  assert.equal(apps[1]?.name, "bee");
  assert.deepEqual(apps[1]?.environment, [{ name: "K", value: "V=W" }]);
  assert.deepEqual(pod.network, { kind: "host" });
});

Deno.test("runRequest() has rkt's defaults", () => {
  const { pod, apps } = request("a.aci");
  assert.deepEqual(pod.network, { kind: "networks", networks: [{ name: "default", args: "" }] });
  assert.equal(pod.pullPolicy, "new");
  assert.equal(pod.overlay, true);
  assert.equal(pod.stopTimeout, 10_000);
  assert.equal(pod.dryRun, false);
  assert.equal(apps[0]?.supplementaryGIDs, undefined);
});

Deno.test("runRequest() reads flags of the pod and global ones anywhere but behind --", () => {
  const invocation = readInvocation(
    findCommand(
      ["run", "a.aci", "--hostname=h", "--debug", "--", "--hostname=i", "--dir=/x"],
      COMMANDS,
    ),
  );
  assert.equal(invocation.global.debug, true);
  assert.equal(invocation.global.dir, "/var/lib/rkt");
  assert.equal(runRequest(invocation).pod.hostname, "h");
});

Deno.test("runRequest() reads volumes and mounts", () => {
  const { pod, apps } = request(
    ...["--volume=data,kind=host,source=/srv/a%2Cb,readOnly=true,recursive=false"],
    ...["--volume", "tmp,kind=empty,mode=0700,uid=5,gid=6", "--mount=volume=data,target=/all"],
    ...["a.aci", "--mount", "volume=tmp,target=/one"],
  );
  assert.deepEqual(pod.volumes, [
    { name: "data", kind: "host", source: "/srv/a,b", readOnly: true, recursive: false },
    { name: "tmp", kind: "empty", mode: 0o700, uid: 5, gid: 6 },
  ]);
  assert.deepEqual(pod.mounts, [{ volume: "data", path: "/all" }]);
  assert.deepEqual(apps[0]?.mounts, [{ volume: "tmp", path: "/one" }]);
});

Deno.test("runRequest() reads everything an app can be told", () => {
  const [app] = request(
    ...["a.aci", "--name=n", "--working-dir=/w", "--readonly-rootfs", "--group=g"],
    ...["--supplementary-gids=1,2", "--annotation=a=b", "--user-annotation=c=d"],
    ...["--user-label=e=f", "--cap-retain=CAP_KILL,CAP_CHOWN"],
  ).apps;
  assert.equal(app?.workingDirectory, "/w");
  assert.equal(app?.readOnlyRootFS, true);
  assert.deepEqual(app?.supplementaryGIDs, [1, 2]);
  assert.deepEqual(app?.annotations, [{ name: "a", value: "b" }]);
  assert.deepEqual(app?.userAnnotations, { c: "d" });
  assert.deepEqual(app?.userLabels, { e: "f" });
  const [caps] = app?.isolators ?? [];
  assert.ok(caps?.kind === "os/linux/capabilities-retain-set");
  assert.deepEqual(caps.set, ["CAP_KILL", "CAP_CHOWN"]);
});

Deno.test("runRequest() reads the old flags of the pull policy, and refuses both at once", () => {
  const policy = (...flags: string[]) => request(...flags, "a.aci").pod.pullPolicy;
  assert.equal(policy("--store-only"), "never");
  assert.equal(policy("--no-store"), "update");
  assert.throws(() => policy("--store-only", "--no-store"), /exclude each other/);
});

Deno.test("runRequest() reads the pod's own flags", () => {
  const { pod } = request(
    ...["--set-env=A=1", "--set-env=B=", "--set-env-file=f", "--inherit-env", "--no-overlay"],
    ...["--interactive", "--uuid-file-save=/run/u", "--stop-timeout=1m", "--dry-run"],
    ...["--pull-policy=never", "--port=http:8080,https:[::1]:8443", "--port=x:10.0.0.1:80"],
    ...["--net=a:IP=10.0.0.5;X=y,b", "a.aci"],
  );
  assert.deepEqual(pod.environment, [{ name: "A", value: "1" }, { name: "B", value: "" }]);
  assert.deepEqual(pod.environmentFiles, ["f"]);
  assert.equal(pod.inheritEnvironment, true);
  assert.equal(pod.overlay, false);
  assert.equal(pod.uuidFile, "/run/u");
  assert.equal(pod.stopTimeout, 60_000);
  assert.equal(pod.pullPolicy, "never");
  assert.deepEqual(pod.ports, [
    { name: "http", hostPort: 8080 },
    { name: "https", hostPort: 8443, hostIP: "::1" },
    { name: "x", hostPort: 80, hostIP: "10.0.0.1" },
  ]);
  assert.deepEqual(pod.network, {
    kind: "networks",
    networks: [{ name: "a", args: "IP=10.0.0.5;X=y" }, { name: "b", args: "" }],
  });
});

const REFUSED: readonly (readonly [string, string])[] = [
  ["", "an image is needed: a file, a name, a URL or an ID"],
  ["-- a", 'an image is needed before "--"'],
  ["a.aci -- x --- -- y", 'image a.aci has arguments ("--") twice'],
  ["--exec=/x a.aci", "--exec belongs to an image: put it behind the image's name"],
  ["a.aci --hostnam=x", "unknown flag --hostnam; did you mean --hostname?"],
  ["a.aci --pids-limit=0", "--pids-limit: 0 is not between 1 and 4194304"],
  [
    "a.aci --pod-manifest=x",
    "--pod-manifest and images exclude each other",
  ],
  ["--set-env=A=1 --set-env=A=2 a.aci", '--set-env: "A" is there twice'],
  ["--set-env=A a.aci", '--set-env: "A" is not of the form NAME=VALUE'],
  [
    "a.aci --environment=1=2",
    '--environment: "1" is not a valid name of an environment variable: letters, digits and _ . -',
  ],
  ["--volume=data a.aci", "--volume data: kind=host or kind=empty is needed"],
  ["--volume=data,kind=nfs a.aci", '--volume data.kind: "nfs" is not one of host, empty'],
  ["--volume=data,kind=host a.aci", "--volume data.source: is missing, a string is required"],
  ["--volume=data,kind=host,source=x a.aci", '--volume data.source: "x" is not an absolute path'],
  [
    "--volume=data,kind=host,sorce=/x a.aci",
    '--volume data: unknown key "sorce"; did you mean "source"?',
  ],
  [
    "--volume=data,kind=host,source=/x,readOnly=yes a.aci",
    '--volume data: readOnly: "yes" is neither true nor false',
  ],
  ["--volume=data,kind=empty,uid=x a.aci", '--volume data: uid: "x" is not a whole number'],
  ["--volume=a,kind=empty --volume=a,kind=empty a.aci", '--volume: "a" is there twice'],
  ["--mount=data a.aci", '--mount: "data" is not of the form KEY=VALUE'],
  [
    "--mount=volume=data a.aci",
    '--mount: "volume=data" is not of the form volume=NAME,target=PATH',
  ],
  ["--net=none,a a.aci", "--net: none can't stand beside other networks"],
  ["--net=a,a a.aci", '--net: "a" is there twice'],
  ["--net=host:a=b a.aci", "--net: host takes no arguments"],
  ["--net=../x a.aci", '--net: "../x" is not the name of a network'],
  ["--net=a:b a.aci", '--net: a: "b" is not of the form KEY=VALUE'],
  [
    "--net=host --port=a:1 a.aci",
    "--port can't be used with --net=host: the apps use the host's ports themselves",
  ],
  ["--net=none --port=a:1 a.aci", "--port can't be used with --net=none: there is no network"],
  ["--port=a a.aci", '--port: "a" is not of the form NAME:[ADDRESS:]PORT'],
  ["--port=a:70000 a.aci", "--port: 70000 is not between 1 and 65535"],
  ["--port=a:300.1.1.1:80 a.aci", '--port: "300.1.1.1" is not an IP address'],
  [
    "--hostname=-x a.aci",
    '--hostname: "-x" is not a host name: letters, digits, dashes, underscores and dots, at most 64',
  ],
  ["--hostname= a.aci", "--hostname is empty"],
  ["--interactive a.aci b.aci", "--interactive is for one app, and here are 2 images"],
  ["a.aci --name=x b.aci --name=x", '--name: "x" is there twice'],
  [
    "a.aci --name=X",
    '--name: "X" is not a valid name: lower-case letters, digits and dashes between them',
  ],
  ["a.aci --supplementary-gids=x", '--supplementary-gids: "x" is not a whole number'],
  [
    "a.aci --caps-retain=CAP_KILL --caps-remove=CAP_KILL",
    "--caps-retain and --caps-remove exclude each other",
  ],
  [
    "a.aci --caps-retain=KILL",
    '--caps-retain.set[0]: "KILL" is not a capability like CAP_KILL',
  ],
  ["a.aci --working-dir=x", '--working-dir: "x" is not an absolute path'],
  ["--pull-policy=maybe a.aci", '--pull-policy: "maybe" is not one of new, never, update'],
];

for (const [words, message] of REFUSED) {
  Deno.test(`runRequest() refuses: ${words}`, () => {
    assert.throws(() => request(...words.split(" ").filter((word) => word !== "")), { message });
  });
}

Deno.test("runRequest() ignores a stray ---", () => {
  assert.equal(request("---", "a.aci", "---").apps.length, 1);
});

Deno.test("runRequest() knows no place for prepare", () => {
  const found = findCommand(["prepare", "--quiet", "--port=a:1", "a.aci", "--exec=/x"], COMMANDS);
  const { pod, apps } = runRequest(readInvocation(found));
  assert.equal(pod.quiet, true);
  assert.equal(apps[0]?.exec, "/x");
  assert.throws(
    () => readInvocation(findCommand(["prepare", "--net=host", "a"], COMMANDS)),
    /unknown flag --net/,
  );
});

Deno.test("parseSeccompArgument() reads mode, errno and calls", () => {
  const made = parseSeccompArgument("mode=remove,errno=EPERM,mount,@appc.io/all");
  assert.ok(made.kind === "os/linux/seccomp-remove-set");
  assert.deepEqual(made.set, ["mount", "@appc.io/all"]);
  assert.equal(made.errno, "EPERM");
  for (
    const bad of [
      "mount",
      "mode=x,mount",
      "mode=retain",
      "mode=retain,x=y,mount",
      "mode=retain,errno=E1,",
    ]
  ) {
    assert.throws(() => parseSeccompArgument(bad), Error, bad);
  }
});
