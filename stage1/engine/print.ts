/** Shows a plan to a person, as strace(1) shows what a process did. */
import { withoutHoles } from "./hole.ts";
import { errnoName } from "../../src/linux/errno.ts";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import * as constants from "../../src/linux/constants.ts";
import {
  type Address,
  type Argument,
  type Item,
  type Plan,
  type SectionName,
  SECTIONS,
  type Step,
  type Struct,
  type Value,
} from "./plan.ts";
import { isSyscall, type OperationName, type Parameter, SYSCALLS } from "./syscalls.ts";

/** The shorter name first: what is a value of an option is longer than the option. */
const NAMES: readonly (readonly [string, number])[] = Object.entries(constants)
  .sort(([a], [b]) => a.length - b.length);

/** What the fields of structures are; what is missing here is a number. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, Parameter>>>> = {
  open_how: { flags: "O_", mode: "octal", resolve: "RESOLVE_" },
  mount_attr: { attr_set: "MOUNT_ATTR_", attr_clr: "MOUNT_ATTR_" },
  sigset: { signals: "signal set" },
  ifreq: { name: "text", flags: "IFF_" },
  pollfd: { fd: "fd", events: "POLL" },
  landlock_ruleset_attr: { handled_access_fs: "LANDLOCK_ACCESS_FS_", scoped: "LANDLOCK_SCOPE_" },
  landlock_path_beneath_attr: { allowed_access: "LANDLOCK_ACCESS_FS_", parent_fd: "fd" },
  rlimit64: { soft: "limit", hard: "limit" },
  cap_header: { version: "hexadecimal" },
  cap_data: { effective: "hexadecimal", permitted: "hexadecimal", inheritable: "hexadecimal" },
};

/** What the second argument of prctl(2) is depends on the first. */
const PRCTL: Readonly<Record<number, Parameter>> = {
  [constants.PR_SET_PDEATHSIG]: "signal",
  [constants.PR_CAPBSET_DROP]: "capability",
  [constants.PR_CAP_AMBIENT]: "=PR_CAP_AMBIENT_",
};

/** What {@linkcode print} shows beside the steps. */
export interface PrintOptions {
  /** Columns; what a step is for stands behind it where there is room, else in the next line. 100 by default. */
  readonly width?: number;
  /** The address of the n-th step of a section, which is shown in front of it; by default none is. */
  readonly address?: ((section: SectionName, index: number) => number) | undefined;
}

/** The lines of a plan: headings, and a line for each step. */
export function print(plan: Plan, { width = 100, address }: PrintOptions = {}): string[] {
  if (address === undefined) {
    return SECTIONS.flatMap((section) => plan[section] ?? [])
      .flatMap((item) => printItem(item, width));
  }
  return SECTIONS.flatMap((section) => {
    let index = 0;
    return (plan[section] ?? []).flatMap((item) => {
      const lines = printItem(item, width);
      if (item.kind !== "step") {
        return lines.map((line) => line === "" ? "" : `${NO_ADDRESS}${line}`);
      }
      const shown = `0x${address(section, index++).toString(16)}`.padEnd(NO_ADDRESS.length);
      return lines.map((line, i) => `${i === 0 ? shown : NO_ADDRESS}${line}`);
    });
  });
}

/** In place of an address, which has at most nine characters. */
const NO_ADDRESS = " ".repeat(9);

function printItem(item: Item, width: number): string[] {
  if (item.kind === "heading") return ["", `# ${item.text}`];
  if (item.kind === "label") return [` ${item.name}:`];
  if (item.kind === "keep") {
    return [`${" ".repeat(10)}# ${printArgument(item.descriptor, "fd")} stays open: ${item.why}`];
  }
  const call = `    ${printStep(item)}`;
  if (item.what === undefined) return [call];
  const comment = `# ${item.what}`;
  if (call.length < 48) return [`${call.padEnd(48)}${comment}`];
  return call.length + comment.length + 2 <= width
    ? [`${call}  ${comment}`]
    : [call, `${" ".repeat(10)}${comment}`];
}

/** One step: the call, where its result goes, when it branches. */
export function printStep(step: Step): string {
  const result = step.store === undefined ? "" : ` = <${step.store.name}>`;
  return `${printCall(step)}${result}${printBranch(step)}`;
}

function printCall({ call, arguments: args, leavesPlan }: Step): string {
  if (isSyscall(call)) {
    const parameters: readonly Parameter[] = SYSCALLS[call].parameters;
    const option = call === "prctl" ? PRCTL[Number(args[0])] : undefined;
    const shown = parameters.map((parameter, i) =>
      printArgument(args[i] ?? 0, i === 1 && option !== undefined ? option : parameter)
    );
    return `${call}(${shown.join(", ")})`;
  }
  const [a = "", b = "", c = ""] = args.map((argument) => printArgument(argument, "int"));
  const forms: Readonly<Record<OperationName, string>> = {
    let: a || "go on",
    add: `${a} + ${b}`,
    sub: `${a} - ${b}`,
    and: `${a} & ${b}`,
    shl: `${a} << ${b}`,
    shr: `${a} >> ${b}`,
    load: `*(${a})`,
    put: `*(${a}) = ${b}`,
    branchSource: "the step that failed",
    branchValue: "its error",
    goto: leavesPlan ? `go over to the plan at ${a}` : `go to ${a}`,
    return: "return",
    same: `${a} and ${b} are the same, ${c} bytes`,
    hash: `hash of ${b} bytes at ${a}, from ${c}`,
    digest: `digest of ${b} bytes at ${a}, from ${c}`,
    length: `length of ${a}`,
    leave: `go over to ${b}, with the stack ${a}`,
  };
  return forms[call];
}

function printBranch({ fatal, branch }: Step): string {
  if (fatal || branch === undefined) return "";
  if (!("operand" in branch)) {
    return branch.when === "always" ? ` → ${branch.to}` : ` (on an error → ${branch.to})`;
  }
  const operand = Number(branch.operand);
  const value = operand < 0 ? errnoName(-operand) : `${operand}`;
  const relation = { equal: "=", different: "≠", less: "<" }[branch.when];
  return ` (if ${relation} ${value} → ${branch.to})`;
}

function printArgument(argument: Argument, parameter: Parameter): string {
  if (typeof argument === "number" || typeof argument === "bigint") {
    return printNumber(Number(argument), parameter);
  }
  if (typeof argument === "string") return printText(argument);
  if (argument.kind === "vector") return `[${argument.items.map(printText).join(", ")}]`;
  if (argument.kind === "hole") {
    return argument.value === 0 ? `<${argument.name}>` : `<${argument.name}>+${argument.value}`;
  }
  if (argument.kind === "struct") return printStruct(argument);
  if (argument.kind === "address") return printAddress(argument);
  return argument.kind === "space" ? `&${argument.name}` : `<${argument.name}>`;
}

const printText = (text: string): string =>
  JSON.stringify(withoutHoles(text, (name) => `<${name}>`));

function printAddress({ of, offset }: Address): string {
  const name = of.kind === "slot" ? `&<${of.name}>` : `&${of.name}`;
  return offset === 0 ? name : `${name}[${offset}]`;
}

function printStruct({ name, fields, mutable }: Struct): string {
  const kinds = FIELDS[name] ?? {};
  const [first] = fields;
  if (kinds.signals !== undefined && first !== undefined) {
    return printField(first[2], kinds.signals);
  }
  const shown = fields.filter(([field, size, value]) => field !== "" && size <= 64 && value !== 0)
    .map(([field, , value]) => `${field}=${printField(value, kinds[field] ?? "int")}`);
  return shown.length === 0 && mutable ? `&${name}` : `{${shown.join(", ")}}`;
}

/** Kinds of nodes that mknod(2) makes, by their bits. */
const NODES: Readonly<Record<number, string>> = {
  [constants.S_IFCHR]: "S_IFCHR",
  [constants.S_IFBLK]: "S_IFBLK",
  [constants.S_IFIFO]: "S_IFIFO",
};

function printField(value: Value | Uint8Array, parameter: Parameter): string {
  if (!(value instanceof Uint8Array)) return printArgument(value, parameter);
  return JSON.stringify(new TextDecoder().decode(value).replace(/\0+$/, ""));
}

function printNumber(value: number, parameter: Parameter): string {
  switch (parameter) {
    case "octal":
      return value === 0 ? "0" : `0${value.toString(8)}`;
    case "mode":
      return `${NODES[value & constants.S_IFMT] ?? value & constants.S_IFMT}|0${
        (value & 0o7777).toString(8)
      }`;
    case "device":
      return `makedev(${value >>> 8 & 0xfff}, ${value & 0xff | value >>> 12 & 0xfff00})`;
    case "hexadecimal":
      return `0x${value.toString(16)}`;
    case "pointer":
      return value === 0 ? "NULL" : `0x${value.toString(16)}`;
    case "fd":
      return value === constants.AT_FDCWD ? "AT_FDCWD" : `${value}`;
    case "signal":
      return signalName(value);
    case "signal set":
      return `[${
        Array.from({ length: 31 }, (_, i) => i + 1).filter((n) =>
          Math.floor(value / 2 ** (n - 1)) % 2 === 1
        )
          .map((n) => signalName(n).slice(3)).join(" ")
      }]`;
    case "capability":
      return CAPABILITIES[value] ?? `${value}`;
    case "limit":
      return value >= 2 ** 64 - 1 ? "RLIM64_INFINITY" : `${value}`;
    case "int":
    case "size":
    case "pid":
    case "text":
      return `${value}`;
  }
  if (parameter.startsWith("=")) {
    const prefixes = parameter.slice(1).split("|");
    return NAMES.find(([name, v]) => v === value && has(name, prefixes))?.[0] ?? `${value}`;
  }
  return printFlags(value, parameter.split("|"));
}

function signalName(number: number): string {
  const known = NAMES.find(([name, value]) => /^SIG[A-Z0-9]+$/.test(name) && value === number);
  return known?.[0] ?? `signal ${number}`;
}

const has = (name: string, prefixes: readonly string[]): boolean =>
  prefixes.some((prefix) => name.startsWith(prefix));

function printFlags(value: number, families: readonly string[]): string {
  const withSignal = families.includes("signal");
  let rest = withSignal ? value - value % 256 : value;
  const names: string[] = [];
  for (const [name, flag] of NAMES) {
    if (flag <= 0 || !has(name, families.filter((family) => family !== "signal"))) continue;
    if (Math.floor(rest / flag) % 2 !== 1 || Math.log2(flag) % 1 !== 0) continue;
    names.push(name);
    rest -= flag;
  }
  if (withSignal && value % 256 !== 0) names.push(signalName(value % 256));
  if (rest !== 0) names.push(`0x${rest.toString(16)}`);
  const accessMode = families.includes("O_") && value % 4 === 0 && !names.includes("O_PATH");
  if (accessMode && families.length === 1) names.unshift("O_RDONLY");
  return names.length === 0 ? "0" : names.join("|");
}
