/** The command line of the built binary: help, version, refusals, exit statuses. */

import assert from "node:assert/strict";

const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function rkt(...args: string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(RKT, { args, stdin: "null" }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

Deno.test("rkt version prints five lines", async () => {
  const { code, out, err } = await rkt("version");
  assert.equal(code, 0);
  assert.equal(err, "");
  const names = out.trimEnd().split("\n").map((line) => line.split(": ")[0]);
  assert.deepEqual(names, [
    "rkt Version",
    "appc Version",
    "Deno Version",
    "Deno OS/Arch",
    "Features",
  ]);
  assert.deepEqual(await rkt("--version"), { code, out, err });
});

/** The commands that `rkt help` lists, in its order. Whoever adds one adds it here too. */
const COMMANDS = [
  ...["run", "prepare", "run-prepared", "list", "status", "stop", "rm", "gc", "enter", "logs"],
  ...["attach", "cp", "export", "cat-manifest"],
  ...["sandbox", "add", "start", "stop", "rm", "list", "status", "exec"].map((name) =>
    `app ${name}`
  ),
  "fetch",
  ...[
    "build",
    "edit",
    "validate",
    "list",
    "cat-manifest",
    "inspect",
    "verify",
    "export",
    "convert",
    "extract",
    "render",
    "rm",
  ]
    .map((name) => `image ${name}`),
  ...[
    "image gc",
    "image discover",
    "image encrypt",
    "image decrypt",
    "image publish",
    "image bundle",
    "serve",
    "login",
    "logout",
    "image push",
    "image tags",
  ],
  ...[
    "trust",
    "trust list",
    "trust revoke",
    "image trust-status",
    "image sign",
    "key generate",
    "key list",
    "key export",
  ],
  ...[
    "config",
    "check",
    "metadata-service",
    "identity bundle",
    "identity seal",
    "identity verify",
    "audit",
    "unit",
    "oci",
    "completion",
    "version",
    "help",
  ],
];

Deno.test("rkt help lists all commands on standard output", async () => {
  const { code, out, err } = await rkt("help");
  assert.equal(code, 0);
  assert.equal(err, "");
  const [, listed = ""] = /^Pods:\n([^]*)^Commands may be cut/m.exec(out) ?? [];
  const names = Array.from(listed.matchAll(/^ {2}(\S+(?: \S+)?) {2,}\S/gm), ([, name]) => name);
  assert.deepEqual(names, COMMANDS);
  assert.deepEqual(await rkt("--help"), { code, out, err });
});

Deno.test("rkt COMMAND --help, -h and rkt help COMMAND print the same", async () => {
  const help = await rkt("help", "image", "list");
  assert.equal(help.code, 0);
  assert.match(help.out, /--sort=FIELD/);
  assert.deepEqual(await rkt("image", "list", "--help"), help);
  assert.deepEqual(await rkt("im", "li", "-h"), help);
  assert.deepEqual(await rkt("--help", "image", "list"), help);
});

Deno.test("rkt run --help asks for help of rkt, but not behind --", async () => {
  const help = await rkt("run", "x.aci", "--help");
  assert.equal(help.code, 0);
  assert.match(help.out, /Flags of an app:/);
  const run = await rkt("run", "--net=bad name", "x.aci", "--", "--help");
  assert.equal(run.code, 254);
});

const REFUSED: readonly (readonly [readonly string[], number, string])[] = [
  [[], 2, 'rkt: no command given; "rkt help" lists them'],
  [["lsit"], 254, 'rkt: unknown command "lsit"; did you mean "list"?'],
  [["list", "--ful"], 254, "list: unknown flag --ful; did you mean --full?"],
  [["image", "list", "--ful"], 254, "list: unknown flag --ful; did you mean --full?"],
  [["gc", "--grace-period=5"], 254, 'gc: --grace-period: "5" has no unit: 5s are 5 seconds'],
  [["run"], 254, "run: an image is needed: a file, a name, a URL or an ID"],
  [["list", "x"], 254, 'list: "x" is one argument too many; usage: rkt list [flags]'],
  [["list", "--insecure-options=imgae"], 254, "list: --insecure-options: unknown word "],
  [["help", "lsit"], 254, 'help: unknown command "lsit"; did you mean "list"?'],
  [["a\nb"], 254, 'rkt: unknown command "a\\nb"'],
];

for (const [args, status, message] of REFUSED) {
  Deno.test(`rkt ${JSON.stringify(args.join(" "))} ends with ${status} and one line`, async () => {
    const { code, out, err } = await rkt(...args);
    assert.equal(code, status);
    assert.equal(out, "");
    assert.ok(err.startsWith(message), err);
    assert.equal(err.split("\n").length, 2, err);
  });
}

Deno.test("--debug shows where an error comes from", async () => {
  const { code, err } = await rkt("--debug", "list", "--ful");
  assert.equal(code, 254);
  assert.match(err, /^list: unknown flag --ful.*\n[A-Z]\w+: .*\n +at /);
});

Deno.test("output into a closed pipe ends quietly", async () => {
  const streams = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(RKT, { args: ["help"], ...streams }).spawn();
  await child.stdout.cancel();
  const err = await new Response(child.stderr).text();
  const { code } = await child.status;
  assert.equal(err, "");
  assert.ok(code === 141 || code === 0, String(code));
});
