import type { ProcessLimit } from "../pod.ts";
import assert from "node:assert/strict";
import { Failure } from "../../src/failure.ts";
import { runPod, testApp, testPod } from "../testing/fake_kernel.ts";
import * as k from "../../src/linux/constants.ts";
import {
  parseProcessLimit,
  parseProcessLimits,
  processLimitText,
  RESOURCES,
  UNLIMITED,
  whyRefused,
} from "./process_limits.ts";

const parse = (text: string) => parseProcessLimit(text, "--ulimit");

Deno.test("limits are read as podman and docker write them", () => {
  const rows: readonly (readonly [text: string, soft: bigint, hard: bigint])[] = [
    ["nofile=1024:2048", 1024n, 2048n],
    ["core=0", 0n, 0n],
    ["memlock=-1", UNLIMITED, UNLIMITED],
    ["stack=8192:unlimited", 8192n, UNLIMITED],
    ["as=18446744073709551614", UNLIMITED - 1n, UNLIMITED - 1n],
  ];
  for (const [text, soft, hard] of rows) {
    const limit = parse(text);
    assert.deepEqual(limit, { resource: text.split("=")[0], soft, hard }, text);
    assert.deepEqual(parse(processLimitText(limit)), limit);
  }
  for (const name of Object.keys(RESOURCES)) assert.equal(parse(`${name}=1`).resource, name);
});

Deno.test("what is no limit is refused in one line", () => {
  const rows: readonly (readonly [text: string, said: RegExp])[] = [
    ["", /^--ulimit: "" is not of the form NAME=SOFT\[:HARD\]$/],
    ["nofile", /is not of the form/],
    ["=1", /is not of the form/],
    ["files=1", /there is no limit "files"; known are as, core, cpu, /],
    ["__proto__=1", /there is no limit "__proto__"/],
    ["constructor=1", /there is no limit/],
    ["NOFILE=1", /there is no limit "NOFILE"/],
    ["nofile=2:1", /nofile: the soft limit 2 is above the hard one, 1$/],
    ["nofile=-1:1", /the soft limit -1 is above/],
    ["nofile=", /"" is not a whole number, -1 or unlimited$/],
    ["nofile=:1", /is not a whole number/],
    ["nofile=1:", /is not a whole number/],
    ["nofile=1:2:3", /is not of the form/],
    ["nofile=1k", /"1k" is not a whole number/],
    ["nofile=-2", /"-2" is not a whole number/],
    ["nofile=1e3", /is not a whole number/],
    ["nofile= 1", /is not a whole number/],
    ["nofile=18446744073709551615", /is not a whole number/],
    ["nofile=99999999999999999999", /is not a whole number/],
    ["nofile=1\n", /is not a whole number/],
  ];
  for (const [text, said] of rows) {
    assert.throws(
      () => parse(text),
      (error) =>
        error instanceof Failure && !error.message.includes("\n") && said.test(error.message),
      text,
    );
  }
  assert.throws(
    () => parseProcessLimits(["core=0", "nofile=1", "core=1"], "--ulimit"),
    /^Failure: --ulimit: core is there twice$/,
  );
});

Deno.test("a hard limit is raised only by who may, and open files never above what the kernel has", () => {
  const limit = (resource: ProcessLimit["resource"], hard: bigint) => ({
    resource,
    soft: 0n,
    hard,
  });
  const rows: readonly (readonly [ProcessLimit, own: bigint, raise: boolean, said?: RegExp])[] = [
    [limit("core", 5n), 5n, false],
    [limit("core", 6n), 5n, true],
    [limit("core", 6n), 5n, false, /above rkt's own, 5, and rkt may not raise it/],
    [limit("core", UNLIMITED), UNLIMITED, false],
    [limit("core", UNLIMITED), UNLIMITED - 1n, false, /above rkt's own/],
    [limit("nofile", 1000n), 9n, true],
    [limit("nofile", 1001n), UNLIMITED, true, /at most 1000 open files/],
  ];
  for (const [limit, own, raise, said] of rows) {
    const why = whyRefused(limit, own, raise, 1000n);
    if (said === undefined) assert.equal(why, undefined);
    else assert.match(why ?? "", said);
  }
});

Deno.test("a process gets its limits while it is still privileged, behind the last file that it opens", () => {
  const processLimits = parseProcessLimits(["nofile=3:4", "as=-1"], "x");
  const pod = testPod([testApp("a", { processLimits, uid: 5, gid: 6 })]);
  const { calls } = runPod(pod, { clones: [0, 0] });
  const names = calls.map(({ call }): string => call);
  const at = names.lastIndexOf("prlimit64");
  const set = calls.filter(({ call, args }) =>
    call === "prlimit64" && args[3] === 0 && args[2] instanceof DataView
  ).slice(-2).map(({ args: [pid, resource, limit] }) => {
    assert.ok(limit instanceof DataView);
    return [pid, resource, limit.getBigUint64(0, true), limit.getBigUint64(8, true)];
  });
  assert.deepEqual(set, [
    [0, k.RLIMIT_NOFILE, 3n, 4n],
    [0, k.RLIMIT_AS, UNLIMITED, UNLIMITED],
  ]);
  for (const early of ["openat", "close_range", "setsid", "pivot_root"]) {
    assert.ok(names.lastIndexOf(early) < at, early);
  }
  for (const late of ["setresuid", "setresgid", "capset", "execve"]) {
    assert.ok(names.lastIndexOf(late) > at, late);
  }
});
