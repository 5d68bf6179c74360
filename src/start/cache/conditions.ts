/**
 * Asks again what a start asked of the world, in JavaScript: for the starts that the launcher can't replay. The launcher's
 * own questions are steps of a plan (stage1/launcher/replay.ts); both compare the same bytes.
 */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS } from "../../linux/early_constants.ts";
import { directoryEntries } from "../../linux/directory_entries.ts";
import { ERRNO } from "../../linux/errno.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import { World } from "../world.ts";
import { STATX } from "../../linux/statx.ts";
import {
  type Condition,
  STATUS_RANGES,
  type StatusPart,
  TYPE_MASK,
} from "../../../stage1/launcher/condition.ts";

/** Whether every answer is the same as it was. */
export function stillHold(conditions: readonly Condition[]): boolean {
  return conditions.every(holds);
}

function holds(condition: Condition): boolean {
  switch (condition.kind) {
    case "absent":
      return statx(condition.path, AT_SYMLINK_NOFOLLOW) === -ERRNO.ENOENT;
    case "status": {
      const status = statx(condition.path, condition.link ? AT_SYMLINK_NOFOLLOW : 0);
      return typeof status !== "number" && sameStatus(status, condition.status, condition.part);
    }
    case "content":
      return sameBytes(contentOf(condition.path), condition.bytes);
    case "terminal":
      return isTerminal(condition.fd) === condition.is;
    case "access":
      return new World().access(condition.path) === condition.errno;
    case "names":
      return sameAnswer(directoryEntries(condition.path), condition.bytes);
    case "attribute": {
      const value = new World().attribute(condition.path, condition.name);
      return condition.value === undefined
        ? value === undefined
        : sameBytes(value, condition.value);
    }
    case "capabilities": {
      const world = new World();
      world.capabilities();
      const [found] = world.conditions;
      return found?.kind === "capabilities" && sameBytes(found.bytes, condition.bytes);
    }
    // An entry of these is the launcher's: see record_start.ts.
    case "own PID":
    case "descriptor":
    case "socket option":
    case "socket name":
      return false;
    case "processes": {
      const world = new World();
      world.processes(condition.path);
      const [found] = world.conditions;
      return found?.kind === "processes" && found.which === condition.which;
    }
  }
}

const sameAnswer = (answer: Uint8Array | number, bytes: Uint8Array) =>
  typeof answer !== "number" && sameBytes(answer, bytes);

/** The status of a path, or the negative error number. */
function statx(path: string, flags: number): Uint8Array | number {
  const status = new Uint8Array(STATX.bytes);
  const result = trySyscall("statx", AT_FDCWD, cstring(path), flags, STATX_BASIC_STATS, status);
  return result === 0 ? status : result;
}

function sameStatus(a: Uint8Array, b: Uint8Array, part: StatusPart): boolean {
  const type = (status: Uint8Array) =>
    new DataView(status.buffer, status.byteOffset).getUint16(STATX.mode, true) & TYPE_MASK;
  return type(a) === type(b) &&
    STATUS_RANGES[part].every(([from, size]) =>
      sameBytes(a.subarray(from, from + size), b.subarray(from, from + size))
    );
}

function contentOf(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Whether two arrays of bytes are the same. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && a.every((byte, i) => byte === b[i]);
}

function isTerminal(fd: number): boolean {
  return [Deno.stdin, Deno.stdout, Deno.stderr][fd]?.isTerminal() ?? false;
}
