import assert from "node:assert/strict";
import { type App, parseApp } from "../../appc/app.ts";
import { parseAcName } from "../../appc/name.ts";
import type { ExposedPort } from "../../appc/pod_manifest.ts";
import { Failure } from "../../failure.ts";
import { podForwards } from "./pod_forwards.ts";

const app = (...ports: unknown[]): App =>
  parseApp({ exec: ["/a"], user: "0", group: "0", ports }, "app");

const port = (name: string, protocol: string, port: number, count = 1) => ({
  name,
  protocol,
  port,
  count,
});

const exposed = (name: string, hostPort: number, hostIP?: string): ExposedPort => ({
  name: parseAcName(name),
  hostPort,
  ...hostIP !== undefined && { hostIP },
});

const forwards = (ports: readonly ExposedPort[], ...apps: readonly App[]) =>
  podForwards({ apps: apps.map((app) => ({ app })), ports });

Deno.test("podForwards() joins what is exposed with the ports of the apps", () => {
  const found = forwards(
    [exposed("http", 8080), exposed("dns", 53, "192.0.2.1")],
    app(port("http", "tcp", 80)),
    app(port("dns", "udp", 5353, 3), port("unused", "sctp", 1)),
  );
  assert.deepEqual(found, [
    { name: "http", protocol: "tcp", hostPort: 8080, podPort: 80, count: 1 },
    {
      name: "dns",
      protocol: "udp",
      hostPort: 53,
      podPort: 5353,
      count: 3,
      hostIp: new Uint8Array([192, 0, 2, 1]),
    },
  ]);
});

const REFUSALS: readonly (readonly [readonly ExposedPort[], readonly App[], string])[] = [
  [
    [exposed("web", 80)],
    [app(port("http", "tcp", 80)), app(port("dns", "udp", 53))],
    '--port=web:80: no app of the pod has a port "web"; there are: "http", "dns"',
  ],
  [
    [exposed("web", 80)],
    [app()],
    '--port=web:80: no app of the pod has a port "web"; there are none',
  ],
  [
    [exposed("web", 80)],
    [app(port("web", "tcp", 80)), app(port("web", "tcp", 81))],
    '--port=web:80: 2 apps of the pod have a port "web"',
  ],
  [
    [exposed("a", 80)],
    [app(port("a", "sctp", 80))],
    "--port=a:80: ports of sctp can't be forwarded; those of tcp and udp can",
  ],
  [
    [exposed("a", 65535)],
    [app(port("a", "tcp", 80, 2))],
    '--port=a:65535: the 2 ports of "a" don\'t fit in between 65535 and 65535',
  ],
  [
    [exposed("a", 80), exposed("b", 82, "192.0.2.1")],
    [app(port("a", "tcp", 80, 3), port("b", "tcp", 80))],
    "--port=b:192.0.2.1:82: --port=a:80 has ports of it already",
  ],
  [
    [exposed("a", 80, "0.0.0.0"), exposed("a", 80, "192.0.2.1")],
    [app(port("a", "tcp", 80))],
    "--port=a:192.0.2.1:80: --port=a:0.0.0.0:80 has ports of it already",
  ],
];

for (const [ports, apps, message] of REFUSALS) {
  Deno.test(`podForwards() refuses: ${message}`, () => {
    assert.throws(() => forwards(ports, ...apps), new Failure(message));
  });
}

Deno.test("podForwards() allows the same port of different addresses, families, protocols", () => {
  const found = forwards(
    [
      exposed("a", 80, "192.0.2.1"),
      exposed("a", 80, "192.0.2.2"),
      exposed("a", 80, "::"),
      exposed("u", 80),
    ],
    app(port("a", "tcp", 80), port("u", "udp", 80)),
  );
  assert.equal(found.length, 4);
});
