import assert from "node:assert/strict";
import { ERRNO } from "../../src/linux/errno.ts";
import { interpret, type Kernel, type KernelValue } from "../engine/testing/interpret.ts";
import type { Condition } from "./condition.ts";
import { askAgain, questions, STALE } from "./ask_again.ts";
import { Section } from "../engine/plan.ts";
import { STATX } from "../../src/linux/statx.ts";

// include/uapi/asm-generic/errno-base.h, errno.h
const EACCES = 13;
const ENOTTY = 25;
const ENODATA = 61;
const EBADF = 9;
const ENOTSOCK = 88;

const bytes = (text: string) => new TextEncoder().encode(text);

function status(mode: number, ino: number, size = 0): Uint8Array<ArrayBuffer> {
  const found = new Uint8Array(STATX.bytes);
  const view = new DataView(found.buffer);
  view.setUint16(STATX.mode, mode, true);
  view.setBigUint64(32, BigInt(ino), true);
  view.setBigUint64(40, BigInt(size), true);
  return found;
}

const put = (to: KernelValue | undefined, what: Uint8Array): number => {
  if (!(to instanceof DataView)) throw new Error("no memory");
  new Uint8Array(to.buffer, to.byteOffset).set(what);
  return what.length;
};

/** What a kernel says of the one path that is asked for. */
interface Answers {
  readonly status?: Uint8Array | number;
  readonly text?: Uint8Array | number;
  readonly access?: number;
  readonly attribute?: Uint8Array | number;
  readonly terminal?: boolean;
  /** The flags of the descriptor; absent means that it is closed. */
  readonly flags?: number;
  /** The value of a socket's option. */
  readonly option?: number;
}

/** PID 42, and one answer for each kind of question. */
function kernel(
  { status, text, access = 0, attribute = -ENODATA, terminal, flags = -EBADF, option }: Answers,
): Kernel {
  const answer = (to: KernelValue | undefined, what: Uint8Array | number = -ERRNO.ENOENT) =>
    typeof what === "number" ? what : put(to, what);
  return (call, args) => {
    if (call === "readlinkat") return put(args[2], bytes("42"));
    if (call === "statx") return Math.min(0, answer(args[4], status));
    if (call === "openat") {
      return typeof text === "number" || text === undefined ? -ERRNO.ENOENT : 9;
    }
    if (call === "read" || call === "getdents64") return answer(args[1], text);
    if (call === "faccessat2") return access;
    if (call === "getxattr") return answer(args[2], attribute);
    if (call === "capget") return Math.min(0, answer(args[1], text));
    if (call === "fcntl") return flags;
    if (call === "getsockopt") {
      return option === undefined ? -ENOTSOCK : Math.min(0, put(args[3], new Uint8Array([option])));
    }
    if (call === "getsockname") {
      if (typeof text === "number" || text === undefined) return -ENOTSOCK;
      put(args[2], new Uint8Array([text.length]));
      return Math.min(0, put(args[1], text));
    }
    if (call === "ioctl") return terminal ? 0 : -ENOTTY;
    return 0;
  };
}

/** Whether a condition holds. */
function holds(condition: Condition, answers: Answers): boolean {
  const s = new Section();
  askAgain(s, [condition]);
  s.attempt("all is as it was", "exit_group", [0]);
  s.label(STALE);
  s.attempt("something is not", "exit_group", [1]);
  const { end } = interpret({ setup: s.items, resident: [] }, kernel(answers));
  assert.equal(end.kind, "exit");
  return end.kind === "exit" && end.code === 0;
}

const path = "/x";
const DIRECTORY = 0o40755;
const FILE = 0o100644;

/** A condition, answers that are the same, answers that are not. */
const CASES: readonly (readonly [Condition, readonly Answers[], readonly Answers[]])[] = [
  [
    { kind: "descriptor", fd: 3, type: 0o140000 },
    [{ flags: 0, status: status(0o140777, 7) }],
    [{}, { flags: 1, status: status(0o140777, 7) }, { flags: 0, status: status(FILE, 7) }],
  ],
  [
    { kind: "socket option", fd: 3, option: 3, value: 1 },
    [{ option: 1 }],
    [{}, { option: 2 }],
  ],
  [
    { kind: "socket name", fd: 3, bytes: bytes("abcd") },
    [{ text: bytes("abcd") }],
    [{}, { text: bytes("abce") }, { text: bytes("abc") }, { text: bytes("abcde") }],
  ],
  [{ kind: "absent", path }, [{}], [{ status: status(FILE, 1) }, { status: -EACCES }]],
  [
    { kind: "status", path, part: "type", status: status(DIRECTORY, 1) },
    [{ status: status(DIRECTORY, 2) }],
    [{ status: status(FILE, 1) }, {}],
  ],
  [
    { kind: "status", path, part: "object", status: status(FILE, 1, 5) },
    [{ status: status(FILE, 1, 6) }],
    [{ status: status(FILE, 2, 5) }, { status: status(DIRECTORY, 1, 5) }],
  ],
  [
    { kind: "status", path, part: "content", status: status(FILE, 1, 5) },
    [{ status: status(FILE, 1, 5) }],
    [{ status: status(FILE, 1, 6) }],
  ],
  [
    { kind: "content", path, bytes: bytes("abc") },
    [{ text: bytes("abc") }],
    [{ text: bytes("abd") }, { text: bytes("abcd") }, { text: bytes("ab") }, {}],
  ],
  [{ kind: "content", path, bytes: bytes("") }, [{ text: bytes("") }], [{ text: bytes("a") }]],
  [
    { kind: "names", path, bytes: bytes("entries") },
    [{ text: bytes("entries") }],
    [{ text: bytes("entries and more") }, { text: bytes("entriez") }, {}],
  ],
  [{ kind: "terminal", fd: 1, is: true }, [{ terminal: true }], [{ terminal: false }]],
  [{ kind: "terminal", fd: 1, is: false }, [{ terminal: false }], [{ terminal: true }]],
  [{ kind: "access", path, errno: 0 }, [{}], [{ access: -ERRNO.EROFS }]],
  [
    { kind: "access", path, errno: ERRNO.EROFS },
    [{ access: -ERRNO.EROFS }],
    [{}, { access: -EACCES }],
  ],
  [
    { kind: "attribute", path, name: "user.delegate", value: bytes("1") },
    [{ attribute: bytes("1") }],
    [{}, { attribute: bytes("0") }, { attribute: bytes("10") }],
  ],
  [
    { kind: "attribute", path, name: "user.delegate" },
    [{}, { attribute: -ERRNO.EOPNOTSUPP }],
    [{ attribute: bytes("1") }, { attribute: bytes("") }],
  ],
  [
    { kind: "capabilities", bytes: bytes("all") },
    [{ text: bytes("all") }],
    [{ text: bytes("alm") }, {}],
  ],
  [
    { kind: "processes", path, which: "none" },
    [{ text: bytes("") }],
    [{ text: bytes("42\n") }, { text: bytes("7\n") }, {}],
  ],
  [
    { kind: "processes", path, which: "own" },
    [{ text: bytes("42\n") }],
    [{ text: bytes("") }, { text: bytes("43\n") }, { text: bytes("42\n43\n") }, {
      text: bytes("4\n"),
    }],
  ],
  [
    { kind: "processes", path, which: "others" },
    [{ text: bytes("43\n") }, { text: bytes("1\n42\n") }, { text: bytes("7\n") }],
    [{ text: bytes("42\n") }, { text: bytes("") }],
  ],
];

for (const [condition, same, others] of CASES) {
  Deno.test(`a replay goes on only with the same answer: ${JSON.stringify(condition).slice(0, 70)}`, () => {
    for (const answers of same) assert.equal(holds(condition, answers), true);
    for (const answers of others) assert.equal(holds(condition, answers), false);
  });
}

Deno.test("one answer about a path is compared with all that was noted of it, and nothing is asked twice", () => {
  const link = true as const;
  const conditions: readonly Condition[] = [
    { kind: "status", path, part: "object", status: status(FILE, 1, 5) },
    { kind: "status", path, part: "content", status: status(FILE, 1, 5) },
    { kind: "status", path, part: "content", status: status(FILE, 1, 5) },
    { kind: "status", path, part: "content", link, status: status(FILE, 1, 5) },
    { kind: "status", path: "/y", part: "content", status: status(FILE, 1, 5) },
    { kind: "absent", path },
  ];
  const asked = questions(conditions);
  assert.deepEqual(
    asked.map((each) => [each.kind, ...(each.more ?? []).map(({ part }) => part)].join(" ")),
    ["status object content", "status content", "status content", "absent"],
  );
});

Deno.test("each of the notes about one path counts", () => {
  const both = (first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>) => {
    const s = new Section();
    askAgain(s, [
      { kind: "status", path, part: "object", status: first },
      { kind: "status", path, part: "content", status: second },
    ]);
    s.attempt("all is as it was", "exit_group", [0]);
    s.label(STALE);
    s.attempt("something is not", "exit_group", [1]);
    const { end } = interpret(
      { setup: s.items, resident: [] },
      kernel({ status: status(FILE, 1, 5) }),
    );
    return end.kind === "exit" && end.code === 0;
  };
  assert.ok(both(status(FILE, 1, 9), status(FILE, 1, 5)), "the size is no part of an object");
  assert.ok(!both(status(FILE, 1, 5), status(FILE, 1, 9)));
  assert.ok(!both(status(FILE, 2, 5), status(FILE, 1, 5)));
});
