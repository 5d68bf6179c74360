/** Columns are as wide as a multiple of this, like in Go's text/tabwriter as rkt has used it. */
const TAB = 8;

/**
 * Lays rows out in columns that are separated by tabs, each line ended. The same bytes as those of
 * rkt's older versions, which scripts take apart with `cut` and `awk`.
 *
 * @param rows each with the same number of cells; the first may be the legend
 */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, width(cell)));
  }
  return rows.map((row) => line(row, widths) + "\n").join("");
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row.map((cell, column) => {
    const shown = printable(cell);
    if (column === row.length - 1) return shown;
    const end = Math.ceil(((widths[column] ?? 0) + 1) / TAB) * TAB;
    return shown + "\t".repeat(Math.ceil((end - width(cell)) / TAB));
  }).join("");
}

const ASCII = /^[\x20-\x7e]*$/;

function width(cell: string): number {
  return ASCII.test(cell) ? cell.length : Array.from(cell).length;
}

/** What others have written must not break a line or reach the terminal as a command. */
function printable(cell: string): string {
  if (ASCII.test(cell)) return cell;
  // deno-lint-ignore no-control-regex
  return cell.replace(/[\x00-\x1f\x7f-\x9f]/g, "\ufffd");
}
