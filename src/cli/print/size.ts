const UNITS: readonly string[] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes as people read it: `512B`, `2.0MiB`, `15MiB`. */
export function shownSize(bytes: number): string {
  const power = Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const unit = Math.min(power, UNITS.length - 1);
  const amount = bytes / 1024 ** unit;
  return amount.toFixed(amount < 10 && unit > 0 ? 1 : 0) + UNITS[unit];
}
