import assert from "node:assert/strict";
import { unitFiles } from "./unit_file.ts";

const base = {
  name: "web",
  description: "100 %",
  command: ["/bin/rkt", "run", "x"],
  network: false,
};

Deno.test("a service begins with the machine, and again when it fails", () => {
  const [service, ...rest] = unitFiles({ ...base, after: ["/bin/rkt", "gc"], network: true });
  assert.deepEqual(rest, []);
  assert.equal(service?.name, "web.service");
  assert.equal(
    service?.text,
    `[Unit]
Description=100 %%
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart=/bin/rkt run x
ExecStopPost=-/bin/rkt gc
KillMode=mixed
SuccessExitStatus=143
Restart=on-failure
TimeoutStartSec=infinity
Delegate=yes
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`,
  );
});

Deno.test("a timer starts the service in place of the machine's start", () => {
  const files = unitFiles({ ...base, timer: "daily", before: ["/bin/rkt", "fetch", "x"] });
  assert.deepEqual(files.map(({ name }) => name), ["web.service", "web.timer"]);
  assert.ok(!files[0]?.text.includes("[Install]") && !files[0]?.text.includes("Restart="));
  assert.ok(files[0]?.text.includes("\nExecStartPre=/bin/rkt fetch x\n"));
  assert.ok(files[1]?.text.includes("\nOnCalendar=daily\n"));
  assert.ok(files[1]?.text.includes("\nWantedBy=timers.target\n"));
});
