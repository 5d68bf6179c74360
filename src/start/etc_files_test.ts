import assert from "node:assert/strict";
import { etcFiles } from "./etc_files.ts";

const NETWORK = { nameservers: ["10.0.0.1"], search: ["a"], options: [] };
const hosts = { kind: "default" } as const;

Deno.test("etcFiles() takes resolv.conf from the flags before that of the networks", () => {
  const custom = {
    kind: "custom",
    servers: ["1.1.1.1"],
    search: ["x", "y"],
    options: ["o"],
    domain: "d",
  } as const;
  const text = "search x y\nnameserver 1.1.1.1\noptions o\ndomain d\n";
  assert.deepEqual(etcFiles({ dns: custom, hosts }, NETWORK), {
    resolvConf: { kind: "text", text },
  });
  const ofNetwork = { resolvConf: { kind: "text", text: "search a\nnameserver 10.0.0.1\n" } };
  assert.deepEqual(etcFiles({ dns: { kind: "default" }, hosts }, NETWORK), ofNetwork);
  assert.deepEqual(etcFiles({ dns: { kind: "none" }, hosts }, NETWORK), {});
  assert.deepEqual(etcFiles({ dns: { kind: "default" }, hosts }), {});
  assert.deepEqual(etcFiles({ dns: { kind: "host" }, hosts }, NETWORK), {
    resolvConf: { kind: "host" },
  });
});

Deno.test("etcFiles() takes /etc/hosts from the host, or adds lines to the stub of a pod's own", () => {
  const none = { dns: { kind: "none" }, hosts: { kind: "default" } } as const;
  assert.deepEqual(etcFiles(none), {});
  assert.deepEqual(etcFiles({ ...none, hosts: { kind: "host" } }), { hosts: { kind: "host" } });
  const entries = [
    { address: "10.0.0.1", names: ["a", "b"] },
    { address: "::2", names: ["c"] },
  ];
  const { hosts: file } = etcFiles({ ...none, hosts: { kind: "entries", entries } });
  assert.ok(file?.kind === "text");
  assert.match(file.text, /^127\.0\.0\.1\s+localhost/);
  assert.ok(file.text.endsWith("10.0.0.1\ta b\n::2\tc\n"));
});
