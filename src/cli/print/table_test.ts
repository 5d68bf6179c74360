import assert from "node:assert/strict";
import { table } from "./table.ts";

Deno.test("table() writes the bytes of rkt 1.30", () => {
  const rows = [
    ["UUID", "APP", "IMAGE NAME", "STATE", "CREATED", "STARTED", "NETWORKS"],
    ["42029c62", "busybox", "example.com/busybox:1.35.0", "prepared", "1 second ago", "", ""],
    ["e127f3b8", "two", "example.com/busybox:1.35.0", "prepared", "now", "", ""],
  ];
  assert.equal(
    table(rows),
    "UUID\t\tAPP\tIMAGE NAME\t\t\tSTATE\t\tCREATED\t\tSTARTED\tNETWORKS\n" +
      "42029c62\tbusybox\texample.com/busybox:1.35.0\tprepared\t1 second ago\t\t\n" +
      "e127f3b8\ttwo\texample.com/busybox:1.35.0\tprepared\tnow\t\t\t\n",
  );
});

Deno.test("table() is empty without rows and lets no control characters through", () => {
  assert.equal(table([]), "");
  assert.equal(table([["a\n\u001b[2Jb"]]), "a��[2Jb\n");
});
