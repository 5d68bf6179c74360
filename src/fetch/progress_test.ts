import assert from "node:assert/strict";
import { progressLine, quietProgress, terminalProgress } from "./progress.ts";

const URL = "https://example.com/some/long/path/example.com/app-1.0-linux-amd64.aci";

Deno.test("progressLine() fits the terminal, whatever its width", () => {
  for (const columns of [20, 40, 80, 200]) {
    for (const total of [undefined, 0, 3_000_000]) {
      const line = progressLine({ name: URL, received: 1_500_000, total, since: 0 }, columns, 1000);
      assert.ok(line.length < columns, `${line.length} of ${columns}`);
    }
  }
});

Deno.test("progressLine() shows the end of the name, a bar, sizes and speed", () => {
  const line = progressLine({ name: URL, received: 1 << 20, total: 1 << 21, since: 0 }, 100, 2000);
  assert.match(line, /^….*app-1\.0-linux-amd64\.aci \[=+ +\] +1\.0 MiB\/2\.0 MiB +512 KiB\/s$/);
});

Deno.test("terminalProgress() draws over its lines, and puts messages above them", () => {
  let written = "";
  let time = 0;
  const progress = terminalProgress((text) => written += text, () => 60, () => time);
  const bar = progress.start("a.aci");
  const other = progress.start("b.aci");
  time = 1000;
  bar.update(500, 1000);
  written = "";
  progress.message("hello");
  assert.ok(written.startsWith("\r\x1b[2A\x1b[Jhello\n"));
  assert.equal(written.split("\n").length, 4);
  bar.end();
  other.end();
  written = "";
  progress[Symbol.dispose]();
  assert.equal(written, "");
});

Deno.test("quietProgress() says one line a download", () => {
  const lines: string[] = [];
  const progress = quietProgress((line) => lines.push(line));
  const bar = progress.start("a.aci");
  bar.update(1, 2);
  bar.end();
  assert.deepEqual(lines, ["downloading a.aci"]);
});
