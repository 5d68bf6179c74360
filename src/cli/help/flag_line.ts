/** A flag as help and manual pages show it. */
import type { Flag } from "../grammar/flags.ts";

/** What flags show as their value, by kind. */
const VALUES: Readonly<Record<Flag["kind"], string>> = {
  switch: "",
  wait: "[=DURATION]",
  mode: "[=WORD]",
  text: "TEXT",
  number: "NUMBER",
  duration: "DURATION",
  texts: "TEXT",
  list: "WORD,...",
};

/** Two columns of help. */
export type Definition = readonly [term: string, meaning: string];

/** A flag as it is written, and what it does. */
export function flagLine(flag: Flag): Definition {
  const value = flag.value ?? flag.oneOf?.join("|") ?? VALUES[flag.kind];
  const optional = flag.bare !== undefined || flag.kind === "mode";
  const joint = !optional || value === "" ? "=" : "[=";
  const end = joint === "[=" ? "]" : "";
  const shown = value === "" || value.startsWith("[") ? value : `${joint}${value}${end}`;
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const isDefault = flag.default !== undefined && flag.default !== "" && flag.default !== "false";
  const notes = [
    ...isDefault ? [`default: ${flag.default}`] : [],
    ...flag.kind === "texts" || flag.kind === "list" ? ["may be repeated"] : [],
    ...flag.unsupported === undefined ? [] : ["later"],
  ];
  return [
    `${short}--${flag.name}${shown}`,
    `${flag.help}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`,
  ];
}
