/** What the caller's standard streams are, for the key of a start: apps get a file or a device in another way than a pipe. */
import { KIND_BITS, NULL_DEVICE, SAME_FILE, STREAM_KINDS } from "../../src/linux/caller_streams.ts";
import * as k from "../../src/linux/constants.ts";
import { STATX } from "../../src/linux/statx.ts";
import { addressOf, type Section, type Slot, slot, type Space, space } from "../engine/plan.ts";

/** The number of a kind at a stream's place. */
const kind = (name: (typeof STREAM_KINDS)[number], stream: number) =>
  STREAM_KINDS.indexOf(name) << (KIND_BITS * stream);

/**
 * Works out the number that callerStreams() of src/linux/caller_streams.ts gives. Without one of the three streams,
 * descriptors of ours would take its place: that is the full way.
 */
export function lookAtStreams(s: Section, into: Space): void {
  const found = slot("kinds of the streams");
  s.heading("the standard streams");
  s.set(found, 0);
  const [, output, errors] = [0, 1, 2].map((stream) => lookAt(s, stream, found));
  if (output === undefined || errors === undefined) throw new TypeError("there are three streams");
  sameFile(s, output, errors, found);
  s.compute("put", [addressOf(into), found]);
}

/** Looks at one, and returns its status. */
function lookAt(s: Section, stream: number, found: Slot): Space {
  const status = space(`statx of stream ${stream}`, STATX.bytes);
  const type = slot("type of the stream");
  const device = slot("device of the stream");
  const done = `stream ${stream} is seen`;
  const mask = k.STATX_BASIC_STATS;
  s.attempt("what is the stream?", "statx", [stream, "", k.AT_EMPTY_PATH, mask, status], {
    branch: { when: "error", to: "full way" },
  });
  s.compute("load", [addressOf(status, STATX.mode)], { store: type });
  s.compute("and", [type, k.S_IFMT], {
    store: type,
    branch: { when: "equal", operand: k.S_IFREG, to: `stream ${stream} is a file` },
  });
  s.compute("let", [type], { branch: { when: "different", operand: k.S_IFCHR, to: done } });
  s.compute("load", [addressOf(status, STATX.rdev)], { store: device });
  s.compute("sub", [device, NULL_DEVICE.minor * 2 ** 32 + NULL_DEVICE.major], {
    store: device,
    branch: { when: "equal", operand: 0, to: `stream ${stream} is null` },
  });
  s.compute("add", [found, kind("device", stream)], { store: found });
  s.goto(done);
  s.label(`stream ${stream} is null`);
  s.compute("add", [found, kind("null", stream)], { store: found });
  s.goto(done);
  s.label(`stream ${stream} is a file`);
  s.compute("add", [found, kind("file", stream)], { store: found });
  s.label(done);
  return status;
}

function sameFile(s: Section, output: Space, errors: Space, found: Slot): void {
  const both = kind("file", 1) | kind("file", 2);
  const [one, other] = [slot("of the output"), slot("of the error output")];
  const no = "the outputs differ";
  s.compute("and", [found, 3 << KIND_BITS | 3 << (2 * KIND_BITS)], {
    store: one,
    branch: { when: "different", operand: both, to: no },
  });
  for (const offset of [STATX.inode, STATX.device]) {
    s.compute("load", [addressOf(output, offset)], { store: one });
    s.compute("load", [addressOf(errors, offset)], { store: other });
    s.compute("sub", [other, one], {
      store: other,
      branch: { when: "different", operand: 0, to: no },
    });
  }
  s.compute("add", [found, SAME_FILE], { store: found });
  s.label(no);
}
