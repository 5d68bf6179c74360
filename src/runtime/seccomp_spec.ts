/** The filter of system calls of an OCI container (config-linux.md, "Seccomp"), as it is configured. */
import { AppcError, shown } from "../appc/error.ts";
import {
  array,
  field,
  filledString,
  integer,
  object,
  optional,
  string,
} from "../appc/json_value.ts";

/** What the configuration says. */
export interface SeccompRules {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number | undefined;
  readonly architectures: readonly string[];
  readonly flags: readonly string[];
  readonly listenerPath?: string | undefined;
  readonly listenerMetadata?: string | undefined;
  readonly syscalls: readonly SeccompRule[];
}

/** A rule. */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number | undefined;
  readonly args: readonly SeccompArgument[];
}

/** A condition on an argument. */
export interface SeccompArgument {
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo: bigint;
  readonly op: string;
}

/** @throws {AppcError} */
export function readSeccomp(value: unknown, at: string): SeccompRules {
  const rules = object(value, at);
  const metadata = optional(rules.listenerMetadata, field(at, "listenerMetadata"), string);
  if ((metadata ?? "") !== "" && (rules.listenerPath ?? "") === "") {
    throw new AppcError(field(at, "listenerMetadata"), "it needs listenerPath");
  }
  return {
    defaultAction: filledString(rules.defaultAction, field(at, "defaultAction")),
    defaultErrnoRet: optional(rules.defaultErrnoRet, field(at, "defaultErrnoRet"), errno),
    architectures: array(rules.architectures, field(at, "architectures"), filledString),
    flags: array(rules.flags, field(at, "flags"), filledString),
    listenerPath: optional(rules.listenerPath, field(at, "listenerPath"), string),
    listenerMetadata: metadata,
    syscalls: array(rules.syscalls, field(at, "syscalls"), readRule),
  };
}

const errno = (value: unknown, at: string) => integer(value, at, 0, 4095);

function readRule(value: unknown, at: string): SeccompRule {
  const rule = object(value, at);
  const names = array(rule.names, field(at, "names"), filledString);
  if (names.length === 0) throw new AppcError(field(at, "names"), "is empty");
  return {
    names,
    action: filledString(rule.action, field(at, "action")),
    errnoRet: optional(rule.errnoRet, field(at, "errnoRet"), errno),
    args: array(rule.args, field(at, "args"), readArgument),
  };
}

function readArgument(value: unknown, at: string): SeccompArgument {
  const argument = object(value, at);
  const number = (name: string): bigint => {
    const each = argument[name] ?? 0;
    if (typeof each !== "number" || !Number.isInteger(each) || each < 0) {
      throw new AppcError(field(at, name), `${shown(each)} is not a whole number`);
    }
    // JSON has numbers as doubles: the greatest one is rounded up.
    return each >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(each);
  };
  return {
    index: integer(argument.index, field(at, "index"), 0, 5),
    value: number("value"),
    valueTwo: number("valueTwo"),
    op: filledString(argument.op, field(at, "op")),
  };
}
