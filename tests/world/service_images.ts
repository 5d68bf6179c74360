/**
 * OCI images of services as people run them: the files are those of Debian's packages, users, volumes, entry points and ports as
 * in the images that everybody knows.
 */
import { run } from "../../scripts/vm/debian.ts";
import { digestOf } from "../../src/oci/hash.ts";
import { CONFIG_TYPES, MANIFEST_TYPES } from "../../src/oci/media_types.ts";
import { packageFiles } from "./service_packages.ts";

/** The users that the packages' scripts would make. */
const USERS = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n" +
  "redis:x:100:100::/data:/bin/sh\nmemcache:x:101:101::/:/bin/sh\nhaproxy:x:102:102::/:/bin/sh\n" +
  "postgres:x:103:103::/var/lib/postgresql:/bin/sh\nmysql:x:104:104::/var/lib/mysql:/bin/sh\n" +
  "mosquitto:x:105:105::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";

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

const MARIADB_ENTRY = `#!/bin/sh
set -e
[ -d /var/lib/mysql/mysql ] ||
  mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db --force >/dev/null
exec mariadbd "$@"
`;

/** Files beside those of the packages: path, content, mode. */
const FILES: readonly (readonly [path: string, text: string, mode?: number])[] = [
  ["etc/passwd", USERS],
  ["etc/group", GROUPS],
  ["pg-entry", PG_ENTRY, 0o755],
  ["mariadb-entry", MARIADB_ENTRY, 0o755],
  ["etc/mosquitto.conf", "listener 1883 0.0.0.0\nallow_anonymous true\n"],
  [
    "etc/apache.conf",
    "Listen 8085\nServerName test\nErrorLog /tmp/error.log\nPidFile /tmp/apache.pid\nDocumentRoot /www\n" +
    ["mpm_event", "authz_core", "dir", "mime"].map((name) =>
      `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`
    ).join("") + "TypesConfig /dev/null\nDirectoryIndex index.html\n",
  ],
  ["srv/owned/index.html", "the service answers\n", 0o640],
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

/** An OCI layout with an image for each service; all share their layers. */
export async function makeServiceLayout(
  directory: string,
  configurations: Readonly<
    Record<string, { readonly from?: string; readonly config: readonly string[] }>
  >,
): Promise<string> {
  const layout = `${directory}/layout`;
  const files = await packageFiles();
  const base = `${layout}:base`;
  await run("umoci", "init", "--layout", layout);
  await baseImage(layout, files);
  const own = `${directory}/own`;
  for (const [path, text, mode = 0o644] of FILES) {
    await Deno.mkdir(`${own}/${path.slice(0, path.lastIndexOf("/") + 1)}`, { recursive: true });
    await Deno.writeTextFile(`${own}/${path}`, text);
    await Deno.chmod(`${own}/${path}`, mode);
  }
  for (
    const [path, uid] of [["data", 100], ["var/lib/postgresql/data", 103], ["var/lib/mysql", 104], [
      "run/mysqld",
      104,
    ]] as const
  ) {
    await Deno.mkdir(`${own}/${path}`, { recursive: true });
    await Deno.chown(`${own}/${path}`, uid, uid);
  }
  for (const path of ["srv/owned", "srv/owned/index.html"]) {
    await Deno.chown(`${own}/${path}`, 4242, 4243);
  }
  await Deno.chmod(`${own}/srv/owned`, 0o2750);
  for (const path of ["var/run/postgresql", "var/tmp"]) {
    await Deno.mkdir(`${own}/${path}`, { recursive: true });
    await Deno.chmod(`${own}/${path}`, 0o1777);
  }
  for (const entry of await Array.fromAsync(Deno.readDir(own))) {
    await run("umoci", "insert", "--image", base, `${own}/${entry.name}`, `/${entry.name}`);
  }
  await smallImages(layout, directory);
  for (const [name, { config, from = "base" }] of Object.entries(configurations)) {
    await run("umoci", "config", "--image", `${layout}:${from}`, "--tag", name, ...config);
  }
  return layout;
}

/**
 * The image `base`: all packages in one layer, which all services share. It is uncompressed: to compress it would take longer
 * than all else.
 */
async function baseImage(layout: string, files: string): Promise<void> {
  const tar = `${layout}/layer.tar`;
  await run("tar", "--numeric-owner", "--sort=name", "-C", files, "-cf", tar, ".");
  const hex = (await run("sha256sum", tar)).slice(0, 64);
  const { size } = await Deno.stat(tar);
  await Deno.rename(tar, `${layout}/blobs/sha256/${hex}`);
  const blob = async (json: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    const digest = digestOf(bytes);
    await Deno.writeFile(`${layout}/blobs/${digest.replace(":", "/")}`, bytes);
    return { digest, size: bytes.length };
  };
  const config = await blob({
    os: "linux",
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${hex}`] },
  });
  const manifest = await blob({
    schemaVersion: 2,
    config: { mediaType: CONFIG_TYPES.oci, ...config },
    layers: [{
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: `sha256:${hex}`,
      size,
    }],
  });
  const annotations = { "org.opencontainers.image.ref.name": "base" };
  await Deno.writeTextFile(
    `${layout}/index.json`,
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: MANIFEST_TYPES.ociManifest, ...manifest, annotations }],
    }),
  );
}

/** A server in one file, without libraries, users or anything else beside it, as programs in Go are. */
const STATIC_SERVER = `
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
int main(void) {
  signal(SIGTERM, end);
  struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
  int fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&any, sizeof any) || listen(fd, 8)) return 1;
  for (;;) {
    int client = accept(fd, 0, 0);
    char request[4096];
    const char *answer = "HTTP/1.0 200 OK\\r\\nContent-Length: 20\\r\\n\\r\\nthe service answers\\n";
    if (read(client, request, sizeof request) > 0) write(client, answer, strlen(answer));
    close(client);
  }
}
`;

/** Images that share nothing with the others: `scratch`, `busybox`, `layers` (60 of them), and `empty`, which has none. */
async function smallImages(layout: string, directory: string): Promise<void> {
  for (const name of ["empty", "scratch", "busybox"]) {
    await run("umoci", "new", "--image", `${layout}:${name}`);
  }
  await Deno.writeTextFile(`${directory}/server.c`, STATIC_SERVER);
  await run("gcc", "-static", "-O1", "-s", "-o", `${directory}/server`, `${directory}/server.c`);
  const insert = (image: string, ...files: string[]) =>
    run("umoci", "insert", "--image", `${layout}:${image}`, ...files);
  await insert("scratch", `${directory}/server`, "/server");
  await insert("busybox", "/bin/busybox", "/bin/busybox");
  await insert("busybox", `${directory}/own/www`, "/www");
  await run("umoci", "tag", "--image", `${layout}:busybox`, "layers");
  for (let i = 0; i < 58; i++) {
    // Each replaces the one before, and adds one.
    await Deno.writeTextFile(`${directory}/counter`, `layer ${i}\n`);
    await insert("layers", `${directory}/counter`, "/www/counter");
  }
}
