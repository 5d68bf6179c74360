/** A client of the SPIFFE Workload API by SPIFFE's own library for Go, unmodified: see testdata/spiffe-client. */
import assert from "node:assert/strict";

const CACHE = new URL("../../.cache/go-spiffe", import.meta.url).pathname;
const SOURCES = new URL("../../testdata/spiffe-client", import.meta.url).pathname;

/**
 * Debian's packages of what the library depends on. They are unpacked beside the tests, and not installed: some exclude those
 * with which the App Container specification's tools are built.
 */
const PACKAGES = [
  "golang-github-golang-protobuf-1-5-dev",
  "golang-golang-x-crypto-dev",
  "golang-golang-x-net-dev",
  "golang-golang-x-sys-dev",
  "golang-golang-x-text-dev",
  "golang-google-genproto-dev",
  "golang-google-grpc-dev",
  "golang-google-protobuf-dev",
  "golang-gopkg-square-go-jose.v2-dev",
];

/** Builds the client, and returns its path; undefined where Go or Debian's packages can't be had. */
export function buildSpiffeClient(): string | undefined {
  if (!fetchPackages()) return undefined;
  const path = `${CACHE}/client`;
  sh(`mkdir -p gopath/src/client && tar -xJf ${SOURCES}/go-spiffe.tar.xz -C gopath/src
    cp ${SOURCES}/main.go gopath/src/client`);
  const { success, stderr } = new Deno.Command("go", {
    args: ["build", "-o", path, "client"],
    env: {
      // No modules: they would be fetched. No C: it asks for a compiler.
      ...{ GO111MODULE: "off", CGO_ENABLED: "0", GOFLAGS: "", GOCACHE: `${CACHE}/../go` },
      GOPATH: `${CACHE}/gopath:${CACHE}/debs/usr/share/gocode`,
    },
  }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return path;
}

function fetchPackages(): boolean {
  Deno.mkdirSync(CACHE, { recursive: true });
  const done = `cat packages 2>/dev/null | grep -qxF '${PACKAGES.join(" ")}'`;
  return sh(`command -v go && { ${done} || {
    rm -rf debs && mkdir debs && cd debs
    apt-get -qq -o APT::Sandbox::User=root download ${PACKAGES.join(" ")}
    for deb in *.deb; do dpkg -x "$deb" .; done
    rm *.deb && cd .. && echo '${PACKAGES.join(" ")}' > packages
  }; }`);
}

const sh = (script: string): boolean =>
  new Deno.Command("sh", { args: ["-ec", script], cwd: CACHE, stdout: "null" }).outputSync()
    .success;
