import assert from "node:assert/strict";
import { unitFiles, type UnitOptions } from "./unit_file.ts";

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

Deno.test("sockets start the service when somebody connects", () => {
  const listen = [
    { kind: "ListenStream", address: "80" },
    { kind: "ListenDatagram", address: "/run/%" },
  ] as const;
  const files = unitFiles({ ...base, sockets: { listen, name: "web", accept: false } });
  assert.deepEqual(files.map(({ name }) => name), ["web.service", "web.socket"]);
  assert.ok(!files[0]?.text.includes("[Install]") && files[0]?.text.includes("\nRestart="));
  assert.equal(
    files[1]?.text,
    `[Unit]
Description=100 %%, its sockets

[Socket]
ListenStream=80
ListenDatagram=/run/%%
FileDescriptorName=web

[Install]
WantedBy=sockets.target
`,
  );
});

Deno.test("each connection has an instance of a template, whose input and output it is", () => {
  const listen = [{ kind: "ListenStream", address: "80" }] as const;
  const [service, socket] = unitFiles({ ...base, sockets: { listen, accept: true } });
  assert.equal(service?.name, "web@.service");
  assert.ok(service?.text.includes("\nStandardInput=socket\n"));
  assert.ok(!service?.text.includes("Restart=") && !service?.text.includes("[Install]"));
  assert.ok(socket?.text.includes("\nAccept=yes\n"));
});

Deno.test("a user's unit knows no network and begins with the user's systemd", () => {
  const [service] = unitFiles({ ...base, network: true, user: true });
  assert.ok(!service?.text.includes("network-online"));
  assert.ok(service?.text.includes("\nWantedBy=default.target\n"));
});

Deno.test("a timer starts the service in place of the machine's start", () => {
  const files = unitFiles({ ...base, timer: "daily", before: ["/bin/rkt", "fetch", "x"] });
  assert.deepEqual(files.map(({ name }) => name), ["web.service", "web.timer"]);
  assert.ok(!files[0]?.text.includes("[Install]") && !files[0]?.text.includes("Restart="));
  assert.ok(files[0]?.text.includes("\nExecStartPre=/bin/rkt fetch x\n"));
  assert.ok(files[1]?.text.includes("\nOnCalendar=daily\n"));
  assert.ok(files[1]?.text.includes("\nWantedBy=timers.target\n"));
});

const UNFIT: Readonly<Record<string, Partial<UnitOptions>>> = {
  Description: { description: "a\nExecStart=/bin/other" },
  LoadCredential: { credentials: ["a:/x\\"] },
  WorkingDirectory: { workingDirectory: "/tmp/a\n[Service]" },
  OnCalendar: { timer: "daily\n[Service]\nExecStart=/bin/other" },
  ListenStream: {
    sockets: { listen: [{ kind: "ListenStream", address: "/a\\" }], accept: false },
  },
  FileDescriptorName: { sockets: { listen: [], name: "a\rb", accept: false } },
};
for (const [name, options] of Object.entries(UNFIT)) {
  Deno.test(`no value of ${name}= becomes lines of its own, or takes in the next one`, () => {
    assert.throws(() => unitFiles({ ...base, ...options }), {
      name: "Failure",
      message: new RegExp(`^${name}= of a unit takes no line breaks`),
    });
  });
}
