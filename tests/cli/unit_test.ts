/** `rkt unit`: what it prints and what it refuses. What systemd makes of it: tests/systemd/rkt_unit_test.sh. */
import assert from "node:assert/strict";
import { RKT, rkt } from "../world/rkt.ts";

Deno.test("the unit runs the words that were given, with this rkt and its flags", async () => {
  const { code, stdout, stderr } = await rkt(
    ...["--dir=/srv/rkt", "--insecure-options=image", "unit", "web", "--fetch", "--"],
    ...["run", "--net=none", "example.com/web:1", "--memory=64M", "--", "a b", "---", "./two.aci"],
  );
  assert.equal(code, 0, stderr);
  const flags = "--dir=/srv/rkt --insecure-options=image";
  const run = "run --uuid-file-save=%t/web.uuid --net=none example.com/web:1 --memory=64M";
  for (
    const line of [
      `ExecStart=${RKT} ${flags} ${run} -- "a b" --- ./two.aci`,
      `ExecStartPre=${RKT} ${flags} fetch example.com/web:1`,
      `ExecStopPost=-${RKT} ${flags} gc --mark-only`,
      `WorkingDirectory=${Deno.cwd()}`,
    ]
  ) assert.ok(stdout.includes(`\n${line}\n`), `${line} is not in:\n${stdout}`);
});

Deno.test("a pod that systemd has sockets for needs no network for its ports", async () => {
  const words = ["--", "run", "--net=none", "--port=web:8080", "example.com/web:1"];
  const { code, stdout, stderr } = await rkt("unit", "--socket=8080", "--accept", "web", ...words);
  assert.equal(code, 0, stderr);
  for (const line of ["# web@.service", "# web.socket", "ListenStream=8080", "Accept=yes"]) {
    assert.ok(stdout.split("\n").includes(line), `${line} is not in:\n${stdout}`);
  }
  assert.ok(stdout.includes("--uuid-file-save=%t/%p-%i.uuid --net=none --port=web:8080"));
});

Deno.test("credentials are a volume; what registers a pod runs behind its start, and may fail", async () => {
  const words = ["--credential=a:/x y", "--credential=b", "--register", "web@"];
  const { code, stdout, stderr } = await rkt("unit", ...words, "--", "run", "example.com/web:1");
  assert.equal(code, 0, stderr);
  const lines = stdout.split("\n");
  assert.ok(lines.includes("LoadCredential=a:/x y") && lines.includes("LoadCredential=b"), stdout);
  assert.match(
    stdout,
    /\nExecStart=\S+ run \S+ --volume=credentials,kind=host,source=\$\{CREDENTIALS_DIRECTORY\},readOnly=true example/,
  );
  assert.match(stdout, /\nExecStartPost=-\/bin\/sh -c ".* sh %t\/%p-%i.uuid \S+ status\n/);
});

Deno.test("what can't be a unit is refused in one line", async () => {
  for (
    const [words, message] of [
      [["web"], /needs what it runs/],
      [["web", "--", "list"], /not "list"/],
      [["--socket=x", "web", "--", "run", "x"], /--socket=x names no port/],
      [["--socket=fifo:80", "web", "--", "run", "x"], /--socket=fifo:80 names no port/],
      [["--socket=80", "--timer=daily", "web", "--", "run", "x"], /exclude each other/],
      [["--socket=80", "web@", "--", "run", "x"], /a template has no sockets/],
      [["--accept", "web", "--", "run", "x"], /--accept is for sockets/],
      [["--socket=80", "--socket-name=a:b", "web", "--", "run", "x"], /can't name a descriptor/],
      [["web", "--", "run", "--net=none", "--port=a:80", "x"], /--port can't be used/],
      [["--credential=a:b", "web", "--", "run", "x"], /--credential=a:b is neither/],
      [["--credential=a/b", "web", "--", "run", "x"], /--credential=a\/b is neither/],
      [["a/b", "--", "run", "x"], /no name of a unit/],
      [["web", "--", "run", "--no-such", "x"], /unknown flag --no-such/],
      [["web", "--", "run"], /an image is needed/],
      [["web", "--", "run", "--dry-run", "x"], /--dry-run/],
      [["web", "--", "run", "--interactive", "x"], /--interactive/],
    ] as const
  ) {
    const { code, stdout, stderr } = await rkt("unit", ...words);
    assert.equal(code, 254, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});
