import assert from "node:assert/strict";
import { findCommand, readInvocation } from "../grammar/command_line.ts";
import { COMMANDS } from "../table/commands.ts";
import { manifestText } from "./manifest_flags.ts";

function text(argv: readonly string[], words: readonly string[] = []): string {
  const line = ["image", "build", ...argv, "ROOTFS", "OUT", "--", ...words];
  const { flags, args } = readInvocation(findCommand(line, COMMANDS));
  return manifestText(flags, args.slice(2));
}

const manifest = (argv: readonly string[], words: readonly string[] = []) =>
  JSON.parse(text(argv, words));

Deno.test("manifestText() describes an image without an app by a name and the host's labels", () => {
  const { acKind, name, labels, app } = manifest(["--name=example.com/base"]);
  assert.deepEqual([acKind, name, app], ["ImageManifest", "example.com/base", undefined]);
  assert.deepEqual(labels.map((label: { name: string }) => label.name), ["os", "arch"]);
});

Deno.test("manifestText() takes every flag", () => {
  const { labels, app, annotations } = manifest([
    ...["--name=n", "--label=version=1=2", "--label", "arch=aarch64", "--exec=/bin/a", "--user=u"],
    ...[
      "--group=5",
      "--working-dir=/w",
      "--env=A=b=c",
      "--environment=D=",
      "--annotation=authors=Me",
    ],
    ...[
      "--port=http,protocol=tcp,port=80,count=2,socketActivated=true",
      "--supplementary-gids=1,2",
    ],
    ...["--mount=data,path=/data,readOnly=true", '--isolator=resource/memory={"limit":"1G"}'],
  ], ["-x", "y z"]);
  assert.deepEqual(labels, [
    { name: "os", value: "linux" },
    { name: "version", value: "1=2" },
    { name: "arch", value: "aarch64" },
  ]);
  assert.deepEqual(annotations, [{ name: "authors", value: "Me" }]);
  assert.deepEqual(app, {
    exec: ["/bin/a", "-x", "y z"],
    user: "u",
    group: "5",
    supplementaryGIDs: [1, 2],
    workingDirectory: "/w",
    environment: [{ name: "A", value: "b=c" }, { name: "D", value: "" }],
    ports: [{ name: "http", protocol: "tcp", port: 80, count: 2, socketActivated: true }],
    mountPoints: [{ name: "data", path: "/data", readOnly: true }],
    isolators: [{ name: "resource/memory", value: { limit: "1G" } }],
  });
});

Deno.test("manifestText() changes a manifest from a file, unknown fields kept", () => {
  const file = Deno.makeTempFileSync();
  const before = {
    acKind: "ImageManifest",
    acVersion: "0.8.1",
    name: "old",
    labels: [{ name: "version", value: "1" }],
    app: { exec: ["/old"], user: "7", group: "7", "x-mine": 1 },
    "x-other": true,
  };
  Deno.writeTextFileSync(file, JSON.stringify(before));
  try {
    assert.deepEqual(manifest([`--manifest=${file}`]), before);
    const changed = manifest([`--manifest=${file}`, "--name=new", "--label=version=2", "--user=8"]);
    assert.deepEqual(changed, {
      ...before,
      name: "new",
      labels: [{ name: "version", value: "2" }],
      app: { ...before.app, user: "8" },
    });
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("manifestText() says what is wrong", () => {
  const cases: [RegExp, string[]][] = [
    [/--name is needed/, []],
    [/name: "Bad" is not a valid name/, ["--name=Bad"]],
    [/--label: "x" is not NAME=VALUE/, ["--name=n", "--label=x"]],
    [/--port: "bogus=1" is none of protocol=/, ["--name=n", "--port=p,bogus=1"]],
    [/"x" is not a whole number/, ["--name=n", "--port=p,protocol=tcp,port=x"]],
    [/port.*70000 is not between/, ["--name=n", "--port=p,protocol=tcp,port=70000"]],
    [/--mount: "maybe" is neither/, ["--name=n", "--mount=p,path=/x,readOnly=maybe"]],
    [/--isolator: "x" is not NAME=JSON/, ["--name=n", "--isolator=x"]],
    [/--manifest \/none: no such file/, ["--manifest=/none"]],
  ];
  for (const [message, argv] of cases) {
    assert.throws(() => text(argv), { name: "Failure", message });
  }
});
