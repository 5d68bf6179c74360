import assert from "node:assert/strict";
import { findCommand, readInvocation } from "./command_line.ts";
import { COMMANDS } from "../table/commands.ts";

const find = (...argv: string[]) => findCommand(argv, COMMANDS);
const invoke = (...argv: string[]) => readInvocation(find(...argv));

Deno.test("findCommand() finds commands by whole names", () => {
  for (const command of COMMANDS) {
    assert.equal(find(...command.name.split(" "), "x").command, command);
  }
});

Deno.test("findCommand() finds commands by what begins only one", () => {
  const samples = {
    "im li": "image list",
    ver: "version",
    "im cat": "image cat-manifest",
    sta: "status",
  };
  for (const [typed, name] of Object.entries(samples)) {
    assert.equal(find(...typed.split(" ")).command.name, name);
  }
});

Deno.test("findCommand() takes what follows trust for a command only if it is a whole one", () => {
  assert.deepEqual(find("trust", "lis").rest, ["lis"]);
  assert.equal(find("trust", "list").command.name, "trust list");
});

Deno.test("findCommand() reads global flags before and inside a name", () => {
  const { command, raw } = find("--debug", "--dir", "/x", "image", "--dir=/y", "list", "--full");
  assert.equal(command.name, "image list");
  assert.deepEqual(raw.get("dir"), ["/x", "/y"]);
});

Deno.test("findCommand() knows help and version as flags", () => {
  assert.equal(find("--version").command.name, "version");
  assert.equal(find("--help").command.name, "help");
  assert.deepEqual(find("image", "--help").rest, ["image"]);
  assert.equal(invoke("-h", "list").global.help, true);
  assert.equal(invoke("status", "-h").global.help, true);
});

const NO_COMMAND: readonly (readonly [string, number, string])[] = [
  ["", 2, 'no command given; "rkt help" lists them'],
  ["image", 2, '"rkt image" needs one of the words build, '],
  ["lsit", 254, 'unknown command "lsit"; did you mean "list"?'],
  ["kubernetes", 254, 'unknown command "kubernetes"; "rkt help" lists them all'],
  ["image lsit", 254, 'unknown command of "rkt image" "lsit"; did you mean "list"?'],
  ["st", 254, '"st" is short for status, stop: write more of it'],
  ["--dri list", 254, "unknown flag --dri; did you mean --dir?"],
];

for (const [words, exitCode, message] of NO_COMMAND) {
  Deno.test(`findCommand() refuses "${words}"`, () => {
    assert.throws(() => find(...words.split(" ").filter((word) => word !== "")), (error: Error) => {
      assert.ok("exitCode" in error && error.exitCode === exitCode);
      assert.ok(error.message.startsWith(message), error.message);
      return true;
    });
  });
}

Deno.test("readInvocation() reads flags between arguments, up to --", () => {
  const { args, flags, global } = invoke("stop", "a", "--force", "b", "--debug", "--", "--c");
  assert.deepEqual(args, ["a", "b", "--c"]);
  assert.equal(flags.on("force"), true);
  assert.equal(global.debug, true);
});

Deno.test("readInvocation() leaves another program's command line as it is", () => {
  const { args, flags } = invoke("enter", "--app=db", "uuid", "/bin/ls", "--debug", "--", "-x");
  assert.deepEqual(args, ["uuid", "/bin/ls", "--debug", "--", "-x"]);
  assert.equal(flags.text("app"), "db");
  assert.deepEqual(invoke("enter", "uuid", "--app=db", "--", "ls", "-l").args, [
    "uuid",
    "ls",
    "-l",
  ]);
});

Deno.test("readInvocation() counts arguments", () => {
  assert.throws(() => invoke("list", "x"), {
    message: '"x" is one argument too many; usage: rkt list [flags]',
  });
  assert.throws(() => invoke("enter"), /^Failure: an argument is needed; usage: rkt enter /);
  assert.throws(() => invoke("export", "a"), /^Failure: another argument is needed; usage: /);
});

Deno.test("readInvocation() expands the words of --insecure-options", () => {
  const options = (text: string) =>
    Array.from(invoke(`--insecure-options=${text}`, "list").global.insecureOptions).sort();
  assert.deepEqual(options("none"), []);
  assert.deepEqual(options("image,http"), ["http", "image"]);
  assert.deepEqual(options("all-run"), ["capabilities", "paths", "seccomp"]);
  assert.deepEqual(options("all-fetch"), ["http", "image", "pubkey", "tls"]);
  assert.equal(options("all").length, 9);
  assert.throws(() => options("imgae"), {
    message: '--insecure-options: unknown word "imgae"; did you mean "image"?',
  });
});

Deno.test("readInvocation() gives global flags their defaults", () => {
  const { global } = invoke("list");
  assert.equal(global.dir, "/var/lib/rkt");
  assert.equal(global.dirSet, false);
  assert.equal(global.userConfig, undefined);
  assert.equal(invoke("list", "--dir=/x").global.dirSet, true);
  assert.throws(() => invoke("list", "--dir="), { message: "--dir needs the path of a directory" });
});
