import assert from "node:assert/strict";
import { parseImageManifest } from "./image_manifest.ts";

Deno.test("fields are read under any capitals, but those of maps stay as they are", () => {
  const manifest = parseImageManifest(JSON.stringify({
    ACKind: "ImageManifest",
    acversion: "0.8.11",
    Name: "example.com/app",
    labels: [{ NAME: "version", Value: "1" }],
    App: {
      Exec: ["/bin/true"],
      user: "0",
      GROUP: "0",
      supplementaryGids: [1, 2],
      userLabels: { Name: "kept", VERSION: "kept" },
      Ports: [{ Name: "web", Protocol: "TCP", Port: 80, Count: 0 }],
      isolators: [
        { name: "resource/memory", value: { Limit: "1G" } },
        { name: "resource/memory", value: { limit: "2G", request: "3G" } },
      ],
    },
  }));
  const { app } = manifest;
  assert.equal(manifest.name, "example.com/app");
  assert.equal(manifest.labels[0]?.value, "1");
  assert.deepEqual(app?.supplementaryGIDs, [1, 2]);
  assert.deepEqual(app?.userLabels, { Name: "kept", VERSION: "kept" });
  const [port, ...others] = app?.ports ?? [];
  assert.deepEqual([port?.port, port?.count, port?.protocol, others], [80, 1, "tcp", []]);
  const [memory, ...more] = app?.isolators ?? [];
  assert.ok(memory?.kind === "resource/memory");
  assert.deepEqual([memory.limit?.text, memory.request?.text, more], ["2G", "2G", []]);
});

Deno.test("a field under its own name counts before one under another", () => {
  for (const names of [["name", "Name"], ["NAME", "name"]]) {
    const fields = names.map((key) => [key, key === "name" ? "example.com/own" : "example.com/no"]);
    const text = JSON.stringify({
      acKind: "ImageManifest",
      acVersion: "0.8.11",
      ...Object.fromEntries(fields),
    });
    assert.equal(parseImageManifest(text).name, "example.com/own");
  }
});
