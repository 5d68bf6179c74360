import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import type { SystemCalls } from "../pod.ts";
import assert from "node:assert/strict";
import { defaultFilterModule } from "../../scripts/default_filter.ts";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { type Call, filtered } from "../testing/bpf_machine.ts";
import { MOST_INSTRUCTIONS } from "./bpf.ts";
import { compile } from "./compile.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import { type Action, policyOf } from "./policy.ts";

const X86_64 = 0xc000003e;
const AARCH64 = 0xc00000b7;
const I386 = 0x40000003;
const ARM = 0x40000028;
const X32 = 0x40000000;

const KILL = 0x80000000;
const ALLOW = 0x7fff0000;
const errno = (number: number) => 0x50000 | number;
const [EPERM, ENOSYS, EAFNOSUPPORT] = [errno(1), errno(38), errno(97)];

function filter(
  calls: SystemCalls = "default",
  capabilities = DEFAULT_CAPABILITIES,
  architecture: "x86_64" | "aarch64" = "x86_64",
): Uint8Array {
  const policy = policyOf(calls, capabilities);
  assert.ok(policy !== undefined);
  return compile(policy, architecture);
}

const number = (name: string): number => KNOWN_CALLS.get(name)?.number.x86_64 ?? NaN;

/** The verdict about a call of x86_64. */
function verdict(program: Uint8Array, name: string, ...args: (number | bigint)[]): number {
  const call: Call = { architecture: X86_64, number: number(name), arguments: args.map(BigInt) };
  return filtered(program, call);
}

const retain = (errno: string | undefined, ...set: string[]): SystemCalls => ({
  kind: "os/linux/seccomp-retain-set",
  set,
  ...errno !== undefined && { errno },
});
const remove = (errno: string | undefined, ...set: string[]): SystemCalls => ({
  kind: "os/linux/seccomp-remove-set",
  set,
  ...errno !== undefined && { errno },
});

Deno.test("the default filter that is built in is that of the table", () => {
  const path = new URL("./default_filter.ts", import.meta.url);
  const stored = Deno.readTextFileSync(path);
  const line = /(x86_64|aarch64):\s*"([^"]+)"/g;
  const bytes = (text: string) => [...text.matchAll(line)].map((match) => [match[1], match[2]]);
  assert.equal(bytes(stored).length, 2);
  assert.deepEqual(
    bytes(stored),
    bytes(defaultFilterModule()),
    "deno run -A scripts/default_filter.ts",
  );
});

Deno.test("every number has the verdict that the policy says, on both machines", () => {
  const expected = (action: Action | undefined): number | undefined => {
    if (action === undefined) return ENOSYS;
    if (action.kind === "check") return undefined;
    if (action.kind === "kill") return KILL;
    return action.kind === "allow" ? ALLOW : errno(action.errno);
  };
  const machines = [["x86_64", X86_64], ["aarch64", AARCH64]] as const;
  for (const capabilities of [DEFAULT_CAPABILITIES, [], CAPABILITIES]) {
    const policy = policyOf("default", capabilities);
    assert.ok(policy !== undefined);
    for (const [machine, architecture] of machines) {
      const program = compile(policy, machine);
      const byNumber = new Map(
        [...KNOWN_CALLS.values()].map((
          call,
        ) => [call.number[machine], policy.actions.get(call.name)]),
      );
      for (let number = 0; number < 1200; number++) {
        const wanted = expected(byNumber.get(number));
        if (wanted === undefined) continue;
        assert.equal(filtered(program, { architecture, number }), wanted, `${machine} ${number}`);
      }
    }
  }
});

Deno.test("calls of another ABI kill, and those of x32 are not there", () => {
  const program = filter();
  for (const architecture of [I386, ARM, AARCH64, 0]) {
    for (const number of [0, 1, 20, 39, 172]) {
      assert.equal(filtered(program, { architecture, number }), KILL);
    }
  }
  for (const name of ["getpid", "read", "execve", "mount"]) {
    assert.equal(filtered(program, { architecture: X86_64, number: number(name) | X32 }), ENOSYS);
  }
  for (const number of [512, 519, 547, 0xffffffff, 0x7fffffff]) {
    assert.equal(filtered(program, { architecture: X86_64, number }), ENOSYS);
  }
  const other = filter("default", DEFAULT_CAPABILITIES, "aarch64");
  assert.equal(filtered(other, { architecture: ARM, number: 20 }), KILL);
});

Deno.test("a remove set leaves no way round it by other ABIs or unknown numbers", () => {
  const program = filter(remove("EPERM", "mount"));
  assert.equal(verdict(program, "mount"), EPERM);
  assert.equal(verdict(program, "umount2"), ALLOW);
  assert.equal(filtered(program, { architecture: X86_64, number: number("mount") | X32 }), ENOSYS);
  assert.equal(filtered(program, { architecture: I386, number: 21 }), KILL);
});

const FLAGS: readonly (readonly [string, number])[] = [
  ["CLONE_NEWNS", 0x20000],
  ["CLONE_NEWCGROUP", 0x2000000],
  ["CLONE_NEWUTS", 0x4000000],
  ["CLONE_NEWIPC", 0x8000000],
  ["CLONE_NEWUSER", 0x10000000],
  ["CLONE_NEWPID", 0x20000000],
  ["CLONE_NEWNET", 0x40000000],
];

Deno.test("the default refuses clone and unshare with namespaces, and clone3 altogether", () => {
  const program = filter();
  for (const [name, flag] of FLAGS) {
    assert.equal(verdict(program, "clone", flag | 17), EPERM, name);
    assert.equal(verdict(program, "unshare", flag), EPERM, name);
  }
  assert.equal(verdict(program, "unshare", 0x80), EPERM, "CLONE_NEWTIME");
  assert.equal(verdict(program, "unshare", 0x600), ALLOW, "CLONE_FS|CLONE_FILES");
  assert.equal(verdict(program, "clone", 0x3d0f00), ALLOW, "a thread");
  assert.equal(verdict(program, "clone", 17), ALLOW, "fork");
  assert.equal(verdict(program, "clone3"), ENOSYS);
});

Deno.test("CAP_SYS_ADMIN brings namespaces and mounts, other capabilities what is theirs", () => {
  const admin = filter("default", ["CAP_SYS_ADMIN"]);
  for (const name of ["mount", "clone", "clone3", "unshare", "setns", "bpf"]) {
    assert.equal(verdict(admin, name, 0x10000000), ALLOW, name);
  }
  for (
    const [capability, call] of [
      ["CAP_SYS_CHROOT", "chroot"],
      ["CAP_SYS_PTRACE", "ptrace"],
      ["CAP_SYS_MODULE", "finit_module"],
      ["CAP_SYS_TIME", "clock_settime"],
      ["CAP_SYS_BOOT", "reboot"],
      ["CAP_BPF", "bpf"],
      ["CAP_PERFMON", "perf_event_open"],
      ["CAP_DAC_READ_SEARCH", "open_by_handle_at"],
      ["CAP_SYSLOG", "syslog"],
      ["CAP_SYS_NICE", "mbind"],
    ] as const
  ) {
    assert.equal(verdict(filter("default", []), call), EPERM, call);
    assert.equal(verdict(filter("default", [capability]), call), ALLOW, call);
  }
  for (const name of ["keyctl", "io_uring_setup", "modify_ldt"]) {
    assert.notEqual(verdict(filter("default", CAPABILITIES), name), ALLOW, name);
  }
});

Deno.test("arguments are compared as the kernel takes them: 32 bits", () => {
  const program = filter();
  const above = 1n << 32n;
  for (const request of [0x5412, 0x541c, 0x5423]) {
    assert.equal(verdict(program, "ioctl", 0, request), EPERM);
    assert.equal(verdict(program, "ioctl", 0, above | BigInt(request)), EPERM);
  }
  assert.equal(verdict(program, "ioctl", 0x5412, 0x5401), ALLOW);
  for (const family of [1, 2, 10, 16, 17]) {
    assert.equal(verdict(program, "socket", family), ALLOW);
  }
  for (const family of [0, 3, 9, 15, 31, 38, 40, 44, 0xffffffff]) {
    assert.equal(verdict(program, "socket", family), EAFNOSUPPORT, `${family}`);
  }
  for (const value of [0, 8, 0x20000, 0x20008, 0xffffffff, 0xffffffffn | above]) {
    assert.equal(verdict(program, "personality", value), ALLOW);
  }
  for (const value of [0x40000, 0x400000, 7, 1]) {
    assert.equal(verdict(program, "personality", value), EPERM);
  }
});

Deno.test("a retain set lets through its calls and what no program can be without", () => {
  const killing = filter(retain(undefined, "read", "write"));
  for (const name of ["read", "write", "execve", "exit_group", "rt_sigreturn", "clock_gettime"]) {
    assert.equal(verdict(killing, name), ALLOW, name);
  }
  for (const name of ["open", "socket", "mount", "clone3"]) {
    assert.equal(verdict(killing, name), KILL, name);
  }
  assert.equal(filtered(killing, { architecture: X86_64, number: 9999 }), KILL);
  const refusing = filter(retain("ENOTSUP", "read"));
  assert.equal(verdict(refusing, "write"), errno(95));
  assert.equal(filtered(refusing, { architecture: X86_64, number: 9999 }), errno(95));
  assert.throws(() => filter(retain("ENOSUCH", "read")), /there is no error ENOSUCH/);
});

Deno.test("wildcards stand for what their names say", () => {
  assert.equal(policyOf(retain(undefined, "@appc.io/all"), []), undefined);
  assert.deepEqual(
    filter(remove(undefined, "@appc.io/empty")),
    filter(),
    "rkt has its default then",
  );
  const whitelist = filter(retain(undefined, "@rkt/default-whitelist", "mount"));
  assert.equal(verdict(whitelist, "openat"), ALLOW);
  assert.equal(verdict(whitelist, "mount"), ALLOW);
  assert.equal(verdict(whitelist, "umount2"), KILL);
  assert.equal(verdict(whitelist, "clone3"), ENOSYS, "the C library has to fall back");
  assert.equal(verdict(whitelist, "clone", 0x10000000), EPERM);
  const blacklist = filter(remove(undefined, "@docker/default-blacklist", "socket"));
  assert.equal(verdict(blacklist, "openat"), ALLOW);
  assert.equal(verdict(blacklist, "mount"), KILL);
  assert.equal(verdict(blacklist, "socket", 1), KILL);
  const clock = filter(remove("EPERM", "@systemd/clock", "@systemd/mount"));
  assert.equal(verdict(clock, "adjtimex"), EPERM);
  assert.equal(verdict(clock, "move_mount"), EPERM);
  assert.equal(verdict(clock, "reboot"), ALLOW);
});

Deno.test("no filter is longer than the kernel takes, and a call costs few comparisons", () => {
  for (const calls of ["default", retain("EPERM", "read"), remove("EPERM", "read")] as const) {
    assert.ok(filter(calls).length / 8 < MOST_INSTRUCTIONS / 8);
  }
});
