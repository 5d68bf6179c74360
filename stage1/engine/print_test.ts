import assert from "node:assert/strict";
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  type Argument,
  mutableStruct,
  Section,
  slot,
  type Step,
  struct,
  vector,
} from "./plan.ts";
import { print, printStep } from "./print.ts";
import type { OperationName, SyscallName } from "./syscalls.ts";

const fd = slot("fd");

function shown(call: SyscallName | OperationName, ...args: Argument[]): string {
  return printStep({ kind: "step", call, arguments: args, fatal: false });
}

const namespaces = k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWUTS | k.CLONE_NEWIPC |
  k.CLONE_NEWNET | k.SIGCHLD;
const how = struct(
  "open_how",
  ["flags", 8, k.O_PATH | k.O_CLOEXEC | k.O_DIRECTORY],
  ["mode", 8, 0],
  ["resolve", 8, k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS],
);
const readOnly = struct(
  "mount_attr",
  ["attr_set", 8, k.MOUNT_ATTR_RDONLY | k.MOUNT_ATTR_NOSUID],
  ["attr_clr", 8, 0],
  ["propagation", 8, 0],
);
const signals = struct("sigset", ["signals", 8, 2 ** 0 + 2 ** 14 + 2 ** 27]);
const MOST = 2n ** 64n - 1n;
const limit = mutableStruct("rlimit64", ["soft", 8, 0], ["hard", 8, 0]);

const CASES: readonly (readonly [string, string])[] = [
  [
    shown("clone", namespaces, 0, 0, 0, 0),
    "clone(CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWPID|CLONE_NEWNET|SIGCHLD, NULL, NULL, NULL, NULL)",
  ],
  [
    shown("mount", "none", "/", 0, k.MS_REC | k.MS_PRIVATE, 0),
    'mount("none", "/", NULL, MS_REC|MS_PRIVATE, NULL)',
  ],
  [
    shown("openat", k.AT_FDCWD, "/x", k.O_WRONLY | k.O_CREAT | k.O_TRUNC | k.O_CLOEXEC, 0o644),
    'openat(AT_FDCWD, "/x", O_CREAT|O_TRUNC|O_WRONLY|O_CLOEXEC, 0644)',
  ],
  [shown("openat", fd, "a\nb", k.O_RDONLY, 0), 'openat(<fd>, "a\\nb", O_RDONLY, 0)'],
  [
    shown("openat2", fd, "x", how, 24),
    'openat2(<fd>, "x", {flags=O_PATH|O_CLOEXEC|O_DIRECTORY, ' +
    "resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}, 24)",
  ],
  [
    shown("mount_setattr", fd, "", k.AT_EMPTY_PATH | k.AT_RECURSIVE, readOnly, 32),
    'mount_setattr(<fd>, "", AT_RECURSIVE|AT_EMPTY_PATH, ' +
    "{attr_set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID}, 32)",
  ],
  [
    shown("move_mount", fd, "", 3, "", k.MOVE_MOUNT_F_EMPTY_PATH | k.MOVE_MOUNT_T_EMPTY_PATH),
    'move_mount(<fd>, "", 3, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)',
  ],
  [
    shown("rt_sigprocmask", k.SIG_SETMASK, signals, 0, 8),
    "rt_sigprocmask(SIG_SETMASK, [HUP TERM WINCH], NULL, 8)",
  ],
  [shown("kill", -1, k.SIGKILL), "kill(-1, SIGKILL)"],
  [
    shown("prctl", k.PR_SET_PDEATHSIG, k.SIGKILL, 0, 0, 0),
    "prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)",
  ],
  [shown("prctl", k.PR_CAPBSET_DROP, 21), "prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)"],
  [
    shown("prctl", k.PR_CAP_AMBIENT, k.PR_CAP_AMBIENT_CLEAR_ALL),
    "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)",
  ],
  [
    shown("mknodat", fd, "null", k.S_IFCHR | 0o666, 0x103),
    'mknodat(<fd>, "null", S_IFCHR|0666, makedev(1, 3))',
  ],
  [shown("umount2", ".", k.MNT_DETACH), 'umount2(".", MNT_DETACH)'],
  [shown("umask", 0o022), "umask(022)"],
  [
    shown("execve", "/x", vector(["x", "a b"]), vector(["A=1"])),
    'execve("/x", ["x", "a b"], ["A=1"])',
  ],
  [
    shown("prlimit64", 0, k.RLIMIT_NOFILE, limit, 0),
    "prlimit64(0, RLIMIT_NOFILE, &rlimit64, NULL)",
  ],
  [
    shown("wait4", -1, addressOf(slot("status")), k.WNOHANG | k.__WALL, 0),
    "wait4(-1, &<status>, __WALL|WNOHANG, NULL)",
  ],
  [shown("add", fd, 1), "<fd> + 1"],
  [shown("sub", fd, 1), "<fd> - 1"],
  [shown("and", fd, 127), "<fd> & 127"],
  [shown("shl", fd, 2), "<fd> << 2"],
  [shown("shr", fd, 8), "<fd> >> 8"],
  [
    shown("prlimit64", 0, k.RLIMIT_CORE, struct("rlimit64", ["soft", 8, 1], ["hard", 8, MOST]), 0),
    "prlimit64(0, RLIMIT_CORE, {soft=1, hard=RLIM64_INFINITY}, NULL)",
  ],
  [shown("load", addressOf(limit, 8)), "*(&rlimit64[8])"],
  [shown("put", addressOf(limit), 1024), "*(&rlimit64) = 1024"],
];

/** The order of flags is nobody's business. */
const sorted = (text: string): string =>
  text.replaceAll(/[A-Z_0-9]+(\|[A-Z_0-9]+)+/g, (flags) => flags.split("|").sort().join("|"));

for (const [text, expected] of CASES) {
  Deno.test(`printStep() shows ${expected}`, () => assert.equal(sorted(text), sorted(expected)));
}

Deno.test("printStep() shows flags that it has no name for as numbers", () => {
  assert.equal(shown("umount2", ".", k.MNT_DETACH | 0x100), 'umount2(".", MNT_DETACH|0x100)');
});

Deno.test("printStep() shows where results go, and branches by the names of errors", () => {
  const step: Step = {
    kind: "step",
    call: "getpid",
    arguments: [],
    store: fd,
    fatal: false,
    branch: { when: "equal", operand: -2, to: "no file" },
  };
  assert.equal(printStep(step), "getpid() = <fd> (if = ENOENT → no file)");
  const branches = [
    [{ when: "less", operand: 1, to: "x" }, "getpid() = <fd> (if < 1 → x)"],
    [{ when: "different", operand: 0, to: "x" }, "getpid() = <fd> (if ≠ 0 → x)"],
    [{ when: "error", to: "x" }, "getpid() = <fd> (on an error → x)"],
    [{ when: "always", to: "x" }, "getpid() = <fd> → x"],
  ] as const;
  for (const [branch, text] of branches) assert.equal(printStep({ ...step, branch }), text);
});

Deno.test("print() shows setup before resident, and what each step is for", () => {
  const setup = new Section();
  const resident = new Section();
  setup.heading("begin");
  setup.must("go home", "chdir", ["/"]);
  setup.must("go far away", "chdir", [`/${"x".repeat(60)}`]);
  setup.must("go too far away", "chdir", [`/${"x".repeat(80)}`]);
  resident.label("wait");
  resident.goto("wait");
  assert.deepEqual(print({ setup: setup.items, resident: resident.items }), [
    "",
    "# begin",
    `    chdir("/")${" ".repeat(34)}# go home`,
    `    chdir("/${"x".repeat(60)}")  # go far away`,
    `    chdir("/${"x".repeat(80)}")`,
    "          # go too far away",
    " wait:",
    "    go on → wait",
  ]);
});
