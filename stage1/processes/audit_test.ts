import assert from "node:assert/strict";
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import type { KernelValue } from "../engine/testing/interpret.ts";
import type { PodAudit } from "../pod.ts";
import {
  exited,
  gathered,
  INIT,
  type PodRun,
  runPod,
  type Script,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";

// include/uapi/asm-generic/errno-base.h
const EAGAIN = 11;
const ENOSPC = 28;

const FILE = "/data/audit.log";
const bytes = (text: string) => new TextEncoder().encode(text);

const textOf = (kind: string) => ({
  fields: bytes(`RKT_RECORD=${kind}\n`),
  last: `MESSAGE_ID=${kind}\n`,
  kernel: `op=rkt-${kind}`,
});

const AUDIT: PodAudit = {
  start: textOf("start"),
  end: textOf("end"),
  journal: true,
  kernel: false,
  file: { path: FILE, always: false },
  required: false,
};

/** What a kernel does with records. */
interface Sinks {
  /** Results of sendmsg(2), one after the other; then all is sent. */
  readonly sent?: readonly number[];
  /** Results of writev(2), one after the other; then all is written. */
  readonly appended?: readonly number[];
  /** Of opening the file. */
  readonly open?: number;
  /** Of reading what is the process's own. */
  readonly read?: number;
}

/** What came to the journal, to the kernel's log and to the file, and what was said; and the run. */
interface Recorded {
  readonly journal: readonly string[];
  readonly kernel: readonly string[];
  readonly file: readonly string[];
  readonly said: readonly string[];
  readonly end: PodRun["end"];
}

/** A pod that starts, and ends with 7. */
function record(audit: Partial<PodAudit>, sinks: Sinks = {}): Recorded {
  const [sends, appends] = [[...sinks.sent ?? []], [...sinks.appended ?? []]];
  const [journal, kernel, file]: [string[], string[], string[]] = [[], [], []];
  const answer: Script["answer"] = (call, args, memory) => {
    const [first, second] = args;
    if (call === "openat" && second === FILE) return sinks.open;
    if (call === "read" && args[2] === 16) return sinks.read ?? fill(second, "1000");
    if (call === "read" && args[2] === 4096) return sinks.read ?? fill(second, "0::/x.service\n");
    if (call === "clock_gettime" && first === k.CLOCK_REALTIME && second instanceof DataView) {
      second.setBigInt64(0, 1_764_000_000n, true);
      second.setBigInt64(8, 5_006_007n, true);
      return 0;
    }
    if (call === "sendmsg" && second instanceof DataView) {
      const name = memory.view(Number(second.getBigUint64(0, true)), 2).getUint16(0, true);
      const parts = Number(second.getBigUint64(24, true));
      const vector = memory.view(Number(second.getBigUint64(16, true)), 16 * parts);
      const text = gathered(vector, parts, memory);
      if (name === k.AF_NETLINK) {
        kernel.push(text);
        return text.length;
      }
      const result = sends.shift() ?? text.length;
      if (result >= 0) journal.push(text);
      return result;
    }
    if (call !== "writev" || !(second instanceof DataView)) return undefined;
    const text = gathered(second, Number(args[2]), memory);
    const result = appends.shift() ?? bytes(text).length;
    if (result > 0) file.push(text.slice(0, result));
    return result;
  };
  const run = runPod(testPod([testApp("app")], { audit: { ...AUDIT, ...audit } }), {
    clones: [INIT],
    events: [{ ended: [[INIT, exited(7)]] }],
    answer,
  });
  const said = run.written.map(([, text]) => new TextDecoder().decode(text));
  return {
    journal,
    kernel,
    file,
    said: said.filter((line) => line.includes("warning")),
    end: run.end,
  };
}

function fill(to: KernelValue | undefined, text: string): number {
  if (!(to instanceof DataView)) throw new Error("no memory");
  new Uint8Array(to.buffer, to.byteOffset).set(bytes(text));
  return text.length;
}

const SIZE = "\x0e\0\0\0\0\0\0\0";
const START = `RKT_RECORD=start\nRKT_LOGIN_UID=1000\nRKT_CGROUP\n${SIZE}0::/x.service\n\n` +
  "MESSAGE_ID=start\n";
const END = "RKT_RECORD=end\nRKT_STATUS=7\nMESSAGE_ID=end\n";
const timed = (text: string) => `\n__REALTIME_TIMESTAMP=1764000000005006\n${text}`;
const WARNINGS = ["start", "end"].map((what) =>
  `rkt: warning: the ${what} of this pod is not recorded\n`
);
const ENDED = { kind: "exit", code: 7 } as const;

Deno.test("start and end go to the journal, with who wants it", () => {
  const { journal, file, said, end } = record({});
  assert.deepEqual(journal, [START, END]);
  assert.deepEqual([file, said, end], [[], [], ENDED]);
});

Deno.test("what the journal does not take goes to the file, with its time", () => {
  const none = record({}, { sent: [-ERRNO.ENOENT] });
  assert.deepEqual([none.journal, none.file], [[END], [timed(START)]]);
  const full = record({}, { sent: [10, -EAGAIN] });
  assert.deepEqual([full.journal, full.file], [[START], [timed(END)]]);
});

Deno.test("without a journal all goes to the file, and with both to both", () => {
  assert.deepEqual(record({ journal: false }).file, [START, END].map(timed));
  const { journal, file } = record({ file: { path: FILE, always: true } });
  assert.deepEqual([journal, file], [[START, END], [START, END].map(timed)]);
});

Deno.test("a record that is cut off is written once more as a whole", () => {
  const { file } = record({ journal: false }, { appended: [30] });
  assert.deepEqual(file, [timed(START).slice(0, 30), timed(START), timed(END)]);
});

Deno.test("what can't be recorded is said, and the pod runs", () => {
  const gone = { sent: [-ERRNO.ENOENT, -ERRNO.ENOENT] };
  for (
    const sinks of [
      { ...gone, open: -ENOSPC },
      { ...gone, appended: [-ENOSPC, -ENOSPC] },
      { ...gone, appended: [20, -ENOSPC, 20, -ENOSPC] },
    ]
  ) {
    const { said, end } = record({}, sinks);
    assert.deepEqual([said, end], [WARNINGS, ENDED]);
  }
  const { said, end } = record({ file: undefined }, gone);
  assert.deepEqual([said, end], [WARNINGS, ENDED]);
});

Deno.test("what has to be recorded and can't be does not start", () => {
  const required = { required: true };
  const gone = { sent: [-ERRNO.ENOENT] };
  const cases: readonly [Partial<PodAudit>, Sinks, string, number][] = [
    [required, { ...gone, open: -ENOSPC }, `record in ${FILE}`, ENOSPC],
    [required, { ...gone, appended: [20, -ENOSPC] }, `record in ${FILE}`, ENOSPC],
    [{ ...required, file: undefined }, gone, "record in the journal", ERRNO.ENOENT],
  ];
  for (const [audit, sinks, what, errno] of cases) {
    const { end } = record(audit, sinks);
    assert.equal(end.kind, "failed");
    if (end.kind === "failed") {
      assert.deepEqual([end.what, end.errno, end.code], [what, errno, 254]);
    }
  }
  assert.deepEqual(record(required, { ...gone }).end, ENDED);
});

Deno.test("the kernel's audit log gets a message of its own", () => {
  const message = (text: string) => {
    const header = new DataView(new ArrayBuffer(16));
    header.setUint32(0, 16 + text.length, true);
    header.setUint16(4, 1005, true);
    header.setUint16(6, 1, true);
    return new TextDecoder().decode(new Uint8Array(header.buffer)) + text;
  };
  const { kernel } = record({ kernel: true });
  assert.deepEqual(kernel, [message("op=rkt-start\0"), message("op=rkt-end status=7\0")]);
});

Deno.test("who has no login and no /proc is recorded all the same", () => {
  const { journal } = record({}, { read: -ERRNO.ENOENT });
  const none = "\0".repeat(8);
  assert.equal(
    journal[0],
    `RKT_RECORD=start\nRKT_LOGIN_UID=\nRKT_CGROUP\n${none}\nMESSAGE_ID=start\n`,
  );
});
