/**
 * Services as people run them, as OCI images: the files are those of Debian's packages, users, volumes, entry points and
 * ports as in the images that everybody knows. Each must answer on its port.
 */
import assert from "node:assert/strict";
import { RKT, rkt } from "../world/rkt.ts";
import { makeServiceLayout } from "../world/service_images.ts";
import { until } from "../world/until.ts";

/** A service: what umoci is told of it, the name of its port, and how it is asked. */
interface Service {
  /** The image without a configuration; `base` by default. */
  readonly from?: string;
  readonly config: readonly string[];
  /** Further words for `rkt run`, and those for the app. */
  readonly flags?: readonly string[];
  readonly words?: readonly string[];
  readonly port: string;
  readonly ask: (port: number) => Promise<string>;
  readonly answer: RegExp;
  /** The exit status after a stop as asked. */
  readonly status: number;
}

const http = async (port: number) => await (await fetch(`http://127.0.0.1:${port}/`)).text();

/** Sends a line, and returns what comes back first. */
const line = (text: string | Uint8Array<ArrayBuffer>) => async (port: number): Promise<string> => {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(typeof text === "string" ? new TextEncoder().encode(text) : text);
  const buffer = new Uint8Array(4096);
  const size = await connection.read(buffer) ?? 0;
  return new TextDecoder("latin1").decode(buffer.subarray(0, size));
};

/** What a server says first. */
const greeting = async (port: number): Promise<string> => {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4096);
  const size = await connection.read(buffer) ?? 0;
  return new TextDecoder("latin1").decode(buffer.subarray(0, size));
};

/** CONNECT of MQTT 3.1.1, with a clean session and the client `t`. */
const MQTT_CONNECT = Uint8Array.of(
  0x10,
  13,
  0,
  4,
  ...new TextEncoder().encode("MQTT"),
  4,
  2,
  0,
  60,
  0,
  1,
  0x74,
);

/** StartupMessage of PostgreSQL's protocol 3.0, for the user postgres. */
function startup(): Uint8Array<ArrayBuffer> {
  const text = "user\0postgres\0\0";
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setInt32(0, bytes.length);
  new DataView(bytes.buffer).setInt32(4, 3 << 16);
  bytes.set(new TextEncoder().encode(text), 8);
  return bytes;
}

const cmd = (...words: readonly string[]) => words.map((word) => `--config.cmd=${word}`);

const SERVICES: Readonly<Record<string, Service>> = {
  nginx: {
    config: [
      ...cmd("nginx", "-g", "daemon off;"),
      "--config.exposedports=8080",
      "--config.stopsignal=SIGQUIT",
    ],
    port: "8080-tcp",
    ask: http,
    answer: /the service answers/,
    status: 0,
  },
  redis: {
    config: [
      ...cmd("redis-server", "--protected-mode", "no"),
      ...["--config.user=redis", "--config.volume=/data", "--config.workingdir=/data"],
      "--config.exposedports=6379/tcp",
    ],
    port: "6379-tcp",
    ask: line("PING\r\n"),
    answer: /^\+PONG/,
    status: 0,
  },
  memcached: {
    config: [...cmd("memcached"), "--config.user=memcache", "--config.exposedports=11211/tcp"],
    port: "11211-tcp",
    ask: line("version\r\n"),
    answer: /^VERSION 1/,
    status: 0,
  },
  haproxy: {
    config: [
      ...cmd("haproxy", "-db", "-f", "/etc/haproxy.cfg"),
      ...["--config.user=102:102", "--config.exposedports=8404"],
    ],
    port: "8404-tcp",
    ask: http,
    answer: /Statistics Report/,
    status: 143,
  },
  postgres: {
    config: [
      ...["--config.entrypoint=/pg-entry", ...cmd("postgres", "-c", "listen_addresses=*")],
      "--config.env=PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin",
      "--config.env=PGDATA=/var/lib/postgresql/data",
      ...["--config.volume=/var/lib/postgresql/data", "--config.user=postgres"],
      ...["--config.exposedports=5432", "--config.stopsignal=SIGINT"],
    ],
    port: "5432-tcp",
    ask: line(startup()),
    answer: /server_version.15/,
    status: 0,
  },
  etcd: {
    config: [
      ...["--config.entrypoint=etcd", ...cmd("--data-dir=/var/lib/etcd/data")],
      "--config.env=ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379",
      "--config.env=ETCD_ADVERTISE_CLIENT_URLS=http://127.0.0.1:2379",
      ...["--config.exposedports=2379/tcp", "--config.exposedports=2380/tcp"],
    ],
    port: "2379-tcp",
    ask: async (port) => await (await fetch(`http://127.0.0.1:${port}/version`)).text(),
    answer: /etcdserver/,
    status: 143,
  },
  lighttpd: {
    config: [
      ...cmd("lighttpd", "-D", "-f", "/etc/lighttpd.conf"),
      ...["--config.user=www-data", "--config.exposedports=8081"],
    ],
    port: "8081-tcp",
    ask: http,
    answer: /the service answers/,
    // As it ends anywhere while a connection is open.
    status: 1,
  },
  python: {
    config: [
      ...cmd("python3", "-m", "http.server", "--directory", "/www"),
      ...["--config.user=nobody:nogroup", "--config.exposedports=8000"],
    ],
    port: "8000-tcp",
    ask: http,
    answer: /the service answers/,
    status: 143,
  },
  httpd: {
    config: [
      ...["--config.entrypoint=busybox", "--config.entrypoint=httpd"],
      ...cmd("-f", "-p", "8082", "-h", "/www"),
      "--config.exposedports=8082",
    ],
    port: "8082-tcp",
    ask: http,
    answer: /the service answers/,
    status: 143,
  },
  node: {
    config: [
      ...["--config.entrypoint=node"],
      ...cmd(
        "-e",
        "require('http').createServer((q, r) => r.end('the service answers')).listen(8086)",
      ),
      ...["--config.user=nobody", "--config.env=NODE_ENV=production", "--config.exposedports=8086"],
    ],
    port: "8086-tcp",
    ask: http,
    answer: /the service answers/,
    status: 143,
  },
  mariadb: {
    config: [
      ...[
        "--config.entrypoint=/mariadb-entry",
        ...cmd("--bind-address=0.0.0.0", "--skip-name-resolve"),
      ],
      ...["--config.user=mysql", "--config.volume=/var/lib/mysql", "--config.exposedports=3306"],
      "--config.env=PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ],
    port: "3306-tcp",
    ask: greeting,
    // It knows no user of another host yet.
    answer: /not allowed to connect to this MariaDB server/,
    status: 0,
  },
  caddy: {
    config: [
      ...["--config.entrypoint=caddy", ...cmd("file-server", "--listen=:8084", "--root=/www")],
      ...["--config.env=XDG_DATA_HOME=/tmp", "--config.env=XDG_CONFIG_HOME=/tmp"],
      "--config.exposedports=8084/tcp",
    ],
    port: "8084-tcp",
    ask: http,
    answer: /the service answers/,
    status: 0,
  },
  apache: {
    config: [
      ...cmd("apache2", "-DFOREGROUND", "-f", "/etc/apache.conf"),
      ...["--config.user=1001:0", "--config.exposedports=8085", "--config.stopsignal=SIGWINCH"],
    ],
    port: "8085-tcp",
    ask: http,
    answer: /the service answers/,
    status: 0,
  },
  mosquitto: {
    config: [
      ...cmd("mosquitto", "-c", "/etc/mosquitto.conf"),
      ...["--config.user=mosquitto", "--config.exposedports=1883/tcp"],
    ],
    port: "1883-tcp",
    ask: line(MQTT_CONNECT),
    // CONNACK: accepted.
    answer: new RegExp(`^${String.fromCharCode(0x20, 2, 0, 0)}`),
    status: 0,
  },
  php: {
    config: [
      ...["--config.entrypoint=php8.2", ...cmd("-S", "0.0.0.0:8087", "-t", "/www")],
      ...["--config.exposedports=8087", "--config.stopsignal=SIGINT"],
    ],
    port: "8087-tcp",
    ask: http,
    answer: /the service answers/,
    status: 0,
  },
  "one static program": {
    from: "scratch",
    config: ["--config.entrypoint=/server", "--config.user=65534", "--config.exposedports=80/tcp"],
    port: "80-tcp",
    ask: http,
    answer: /the service answers/,
    status: 0,
  },
  busybox: {
    from: "busybox",
    config: [
      ...["--config.entrypoint=/bin/busybox", ...cmd("httpd", "-f", "-p", "8088", "-h", "/www")],
      "--config.exposedports=8088",
    ],
    port: "8088-tcp",
    ask: http,
    answer: /the service answers/,
    status: 143,
  },
  "a volume of another owner": {
    config: [
      ...["--config.entrypoint=busybox", "--config.user=4242:4243"],
      ...cmd("httpd", "-f", "-p", "8089", "-h", "/srv/owned"),
      ...["--config.volume=/srv/owned", "--config.exposedports=8089"],
    ],
    port: "8089-tcp",
    ask: http,
    answer: /the service answers/,
    status: 143,
  },
  "60 layers": {
    from: "layers",
    config: [
      ...["--config.entrypoint=/bin/busybox", ...cmd("httpd", "-f", "-p", "8090", "-h", "/www")],
      "--config.exposedports=8090",
    ],
    port: "8090-tcp",
    ask: async (port) => await (await fetch(`http://127.0.0.1:${port}/counter`)).text(),
    answer: /layer 57/,
    status: 143,
  },
  "no layers": {
    from: "empty",
    config: ["--config.exposedports=8091", ...cmd("/from-the-host/busybox")],
    flags: [
      "--volume=host,kind=host,source=/bin,readOnly=true",
      "--mount=volume=host,target=/from-the-host",
    ],
    words: ["/from-the-host/busybox", "httpd", "-f", "-p", "8091", "-h", "/from-the-host"],
    port: "8091-tcp",
    ask: async (port) => (await fetch(`http://127.0.0.1:${port}/no-such-file`)).statusText,
    answer: /Not Found/,
    status: 143,
  },
};

/** A port of the host that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A tag may have no spaces. */
const tagOf = (name: string) => name.replaceAll(" ", "-");
const tags = Object.fromEntries(
  Object.entries(SERVICES).map(([name, service]) => [tagOf(name), service]),
);

let directory: string;
let layout: string;
Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "rkt-services-" });
  layout = await makeServiceLayout(directory, tags);
});
Deno.test.afterAll(async () => {
  await rkt(`--dir=${directory}/data`, "gc", "--grace-period=0s");
  await rkt(`--dir=${directory}/data`, "gc", "--grace-period=0s");
  await Deno.remove(directory, { recursive: true });
});

for (
  const [name, { port, ask, answer, status, flags = [], words = [] }] of Object.entries(SERVICES)
) {
  Deno.test(`${name} answers on its port, and ends when it is asked to`, async () => {
    const here = freePort();
    const child = new Deno.Command(RKT, {
      args: [
        ...[`--dir=${directory}/data`, "--insecure-options=image", "run"],
        ...[...flags, `oci:${layout}:${tagOf(name)}`, `--port=${port}:127.0.0.1:${here}`],
        ...words.length > 0 ? ["--", ...words] : [],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = child.output();
    let ended = false;
    output.then(() => ended = true);
    let said = "";
    await until(
      async () => {
        said = await ask(here).catch((error) => String(error));
        return ended || answer.test(said);
      },
      120,
      `the answer of ${name}`,
    );
    if (!ended) child.kill("SIGTERM");
    const { code, stderr, stdout } = await output;
    const text = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
    assert.match(said, answer, text);
    assert.equal(code, status, text);
  });
}
