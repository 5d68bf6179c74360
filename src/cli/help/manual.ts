/** Manual pages, from the same table as the help: `rkt help --man DIR` writes rkt.1, rkt-run.1, rkt-image-list.1 … */
import { RKT_VERSION } from "../../version.ts";
import { type Command, GROUPS } from "../grammar/command.ts";
import type { Flag } from "../grammar/flags.ts";
import { GLOBAL_FLAGS } from "../grammar/global_flags.ts";
import { flagLine } from "./flag_line.ts";

/** The pages by the names of their files. */
export function manualPages(commands: readonly Command[]): ReadonlyMap<string, string> {
  const pages = new Map([["rkt.1", overview(commands)]]);
  for (const command of commands) pages.set(`${pageName(command)}.1`, page(command, commands));
  return pages;
}

/** Writes the pages into a directory, which is made where it is not there. */
export function writeManual(directory: string, commands: readonly Command[]): void {
  Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const [name, text] of manualPages(commands)) {
    Deno.writeTextFileSync(`${directory}/${name}`, text);
  }
}

const pageName = ({ name }: Pick<Command, "name">): string => `rkt-${name.replaceAll(" ", "-")}`;

/** Text that man(7) takes for nothing else: no escapes, no requests at the beginning of a line, dashes to be copied. */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga").replaceAll("^", "\\(ha").replaceAll("~", "\\(ti")
    .replace(/^\./gm, "\\&.");
}

const quoted = (text: string): string => `"${plain(text).replaceAll('"', "\\(dq")}"`;

function head(name: string, summary: string): readonly string[] {
  const title = quoted(name.toUpperCase());
  return [
    `.TH ${title} 1 "" ${quoted(`rkt ${RKT_VERSION}`)} "rkt"`,
    ".SH NAME",
    `${plain(name)} \\- ${plain(summary)}`,
  ];
}

function overview(commands: readonly Command[]): string {
  const groups = GROUPS.flatMap((group) => [
    `.SS ${quoted(group)}`,
    ...commands.filter((command) => command.group === group).flatMap((command) => [
      ".TP",
      `.BR ${quoted(pageName(command))} (1)`,
      plain(`${command.summary}.`),
    ]),
  ]);
  return lines([
    ...head("rkt", "run App Container images"),
    ".SH SYNOPSIS",
    `.B rkt\n${plain("[flags] COMMAND [flags] [ARGUMENTS]")}`,
    ".SH DESCRIPTION",
    plain(
      "rkt runs App Container images: each pod is a process of whoever started it, without a daemon.",
    ),
    ".PP",
    plain("Commands may be cut as long as they stay clear: rkt im li."),
    ".SH COMMANDS",
    ...groups,
    ...options("OPTIONS OF EVERY COMMAND", GLOBAL_FLAGS),
    ".SH EXIT STATUS",
    plain(
      "254 for a failure of rkt itself, 2 where no command is named. rkt run and rkt run-prepared end as the pod ended.",
    ),
  ]);
}

function page(command: Command, commands: readonly Command[]): string {
  const family = commands.filter(({ name }) => name.startsWith(`${command.name} `));
  const inApps = command.flags.filter(({ scope }) => scope === "app");
  const others = command.flags.filter(({ scope }) => scope !== "app");
  return lines([
    ...head(pageName(command), command.summary),
    ".SH SYNOPSIS",
    `.B ${quoted(`rkt ${command.name}`)}\n${plain(command.usage)}`.trimEnd(),
    ".SH DESCRIPTION",
    plain(`${command.summary}.`),
    ...(command.about ?? []).flatMap((text) => [".PP", plain(text)]),
    ...options(command.grammar === "apps" ? "OPTIONS OF THE POD" : "OPTIONS", others),
    ...options("OPTIONS OF AN APP", inApps),
    ".SH EXAMPLES",
    ...command.examples.flatMap((example) => [".PP", ".EX", plain(example), ".EE"]),
    ".SH SEE ALSO",
    [{ page: "rkt" }, ...family.map((each) => ({ page: pageName(each) }))]
      .map(({ page }) => `.BR ${quoted(page)} (1)`).join("\n"),
  ]);
}

function options(title: string, flags: readonly Flag[]): readonly string[] {
  if (flags.length === 0) return [];
  return [
    `.SH ${quoted(title)}`,
    ...flags.flatMap((flag) => {
      const [term, meaning] = flagLine(flag);
      return [".TP", `.B ${quoted(term)}`, plain(`${meaning}.`)];
    }),
  ];
}

const lines = (all: readonly string[]): string => `${all.join("\n")}\n`;
