import { printableLine } from "../../linux/printable.ts";

/** Columns are as wide as a multiple of this, like in Go's text/tabwriter as rkt has used it. */
const TAB = 8;

/**
 * Lays rows out in columns that are separated by tabs, each line ended. The bytes are those of rkt 1.30, because
 * scripts split them with `cut` and `awk`.
 *
 * @param rows each with the same number of cells; the first may be the legend
 */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      // Only cells that may be wider than all before need an exact width.
      if (cell.length > (widths[column] ?? -1)) {
        widths[column] = Math.max(widths[column] ?? 0, width(cell));
      }
    }
  }
  const ends = widths.map((width) => Math.ceil((width + 1) / TAB) * TAB);
  let text = "";
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      text += column === row.length - 1
        ? printable(cell) + "\n"
        : printable(cell) + "\t".repeat(Math.ceil(((ends[column] ?? 0) - width(cell)) / TAB));
    }
  }
  return text;
}

const ASCII = /^[\x20-\x7e]*$/;

function width(cell: string): number {
  return ASCII.test(cell) ? cell.length : Array.from(cell).length;
}

/** What others have written must not break a line or reach the terminal as a command. */
const printable = (cell: string): string => ASCII.test(cell) ? cell : printableLine(cell);
