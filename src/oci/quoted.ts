/** What others wrote, for a line that a person reads. */
import { shown as shownValue } from "../appc/error.ts";
import { byteStringOfText, shown } from "../linux/byte_string.ts";

/** A text in quotes, with what could disturb a terminal or a line escaped and cut; of other values what they are. */
export function quoted(value: unknown): string {
  return typeof value === "string" ? shown(byteStringOfText(value)) : shownValue(value);
}
