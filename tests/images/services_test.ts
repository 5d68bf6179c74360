/**
 * Services as people run them, as OCI images: the files are those of Debian's packages, users, volumes, entry points and
 * ports as in the images that everybody knows. Each must answer on its port.
 */
import assert from "node:assert/strict";
import { debianSources, ownRelease, run } from "../../scripts/vm/debian.ts";
import { RKT, rkt } from "../world/rkt.ts";
import { until } from "../world/until.ts";

const CACHE = new URL("../../.cache/services", import.meta.url).pathname;

// deno-fmt-ignore
const PACKAGES = [
  "nginx-light", "redis-server", "memcached", "haproxy", "postgresql-15", "etcd-server", "lighttpd", "python3",
  "busybox-static", "dash", "coreutils", "sed",
];

/** The users that the packages' scripts would make. */
const USERS = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n" +
  "redis:x:100:100::/data:/bin/sh\nmemcache:x:101:101::/:/bin/sh\nhaproxy:x:102:102::/:/bin/sh\n" +
  "postgres:x:103:103::/var/lib/postgresql:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";

const GROUPS = USERS.replace(/^(\w[\w-]*):x:\d+:(\d+):.*$/gm, "$1:x:$2:").replaceAll(
  "nobody",
  "nogroup",
);

const PG_ENTRY = `#!/bin/sh
set -e
[ -s "$PGDATA/PG_VERSION" ] || {
  initdb -A trust >/dev/null
  echo 'host all all all trust' >>"$PGDATA/pg_hba.conf"
}
exec "$@"
`;

/** Files beside those of the packages: path, content, mode. */
const FILES: readonly (readonly [path: string, text: string, mode?: number])[] = [
  ["etc/passwd", USERS],
  ["etc/group", GROUPS],
  ["pg-entry", PG_ENTRY, 0o755],
  ["www/index.html", "the service answers\n"],
  ["etc/nginx/conf.d/www.conf", "server { listen 8080; root /www; }\n"],
  [
    "etc/haproxy.cfg",
    "frontend f\n mode http\n timeout client 5s\n bind *:8404\n stats enable\n stats uri /\n",
  ],
  [
    "etc/lighttpd.conf",
    'server.document-root = "/www"\nserver.port = 8081\nindex-file.names = ("index.html")\n',
  ],
];

/** A service: what umoci is told of it, the name of its port, and how it is asked. */
interface Service {
  readonly config: readonly string[];
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
};

/** The files of the packages, extracted once and kept. */
async function packageFiles(): Promise<string> {
  const release = await ownRelease();
  const key = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode([release, ...PACKAGES].join())),
  ).toHex().slice(0, 12);
  const path = `${CACHE}-${key}`;
  const there = await Deno.lstat(path).then(() => true, () => false);
  if (there) return path;
  const temporary = await Deno.makeTempDir({ dir: `${CACHE}/..`, prefix: "services-making-" });
  const sources = `${temporary}.list`;
  await Deno.writeTextFile(sources, await debianSources());
  await run(
    "mmdebstrap",
    ...["--quiet", "--mode=root", "--variant=extract", `--include=${PACKAGES.join(",")}`],
    ...["doc", "man", "locale", "info"].map((name) =>
      `--dpkgopt=path-exclude=/usr/share/${name}/*`
    ),
    ...[release, temporary, sources],
  );
  await Deno.remove(sources);
  await Deno.rename(temporary, path);
  return path;
}

/** An OCI layout with an image for each service; all share their layers. */
async function makeLayout(directory: string): Promise<string> {
  const layout = `${directory}/layout`;
  const files = await packageFiles();
  const base = `${layout}:base`;
  await run("umoci", "init", "--layout", layout);
  await run("umoci", "new", "--image", base);
  await run("umoci", "insert", "--image", base, files, "/");
  const own = `${directory}/own`;
  for (const [path, text, mode = 0o644] of FILES) {
    await Deno.mkdir(`${own}/${path.slice(0, path.lastIndexOf("/") + 1)}`, { recursive: true });
    await Deno.writeTextFile(`${own}/${path}`, text);
    await Deno.chmod(`${own}/${path}`, mode);
  }
  for (const [path, uid] of [["data", 100], ["var/lib/postgresql/data", 103]] as const) {
    await Deno.mkdir(`${own}/${path}`, { recursive: true });
    await Deno.chown(`${own}/${path}`, uid, uid);
  }
  for (const path of ["var/run/postgresql", "var/tmp"]) {
    await Deno.mkdir(`${own}/${path}`, { recursive: true });
    await Deno.chmod(`${own}/${path}`, 0o1777);
  }
  for (const entry of await Array.fromAsync(Deno.readDir(own))) {
    await run("umoci", "insert", "--image", base, `${own}/${entry.name}`, `/${entry.name}`);
  }
  for (const [name, { config }] of Object.entries(SERVICES)) {
    await run("umoci", "config", "--image", base, "--tag", name, ...config);
  }
  return layout;
}

/** A port of the host that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

let directory: string;
let layout: string;
Deno.test.beforeAll(async () => {
  await Deno.mkdir(`${CACHE}/..`, { recursive: true });
  directory = await Deno.makeTempDir({ prefix: "rkt-services-" });
  layout = await makeLayout(directory);
});
Deno.test.afterAll(async () => {
  await rkt(`--dir=${directory}/data`, "gc", "--grace-period=0s");
  await rkt(`--dir=${directory}/data`, "gc", "--grace-period=0s");
  await Deno.remove(directory, { recursive: true });
});

for (const [name, { port, ask, answer, status }] of Object.entries(SERVICES)) {
  Deno.test(`${name} answers on its port, and ends when it is asked to`, async () => {
    const here = freePort();
    const child = new Deno.Command(RKT, {
      args: [
        ...[`--dir=${directory}/data`, "--insecure-options=image", "run", `oci:${layout}:${name}`],
        `--port=${port}:127.0.0.1:${here}`,
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
