/** The reference implementation's tool for images, built from the sources that Debian has of it. */
import assert from "node:assert/strict";

/** Where golang-github-appc-spec-dev puts them. */
const GOPATH = "/usr/share/gocode";
const PACKAGE = "github.com/appc/spec/actool";

const CACHE = new URL("../../.cache/", import.meta.url).pathname;

/** Whether it can be built here. */
export function hasActoolSources(): boolean {
  const { success } = new Deno.Command("sh", { args: ["-c", "command -v go"] }).outputSync();
  try {
    return success && Deno.statSync(`${GOPATH}/src/${PACKAGE}`).isDirectory;
  } catch {
    return false;
  }
}

/** Builds actool, for which Go's own cache decides whether there is something to do. Returns its path. */
export function buildActool(): string {
  Deno.mkdirSync(CACHE, { recursive: true });
  const path = `${CACHE}actool`;
  const { success, stderr } = new Deno.Command("go", {
    args: ["build", "-o", path, PACKAGE],
    // No modules: they would be fetched. No C: it asks for a compiler.
    env: { GO111MODULE: "off", CGO_ENABLED: "0", GOFLAGS: "", GOPATH, GOCACHE: `${CACHE}go` },
  }).outputSync();
  assert.ok(success, `go build ${PACKAGE}: ${new TextDecoder().decode(stderr)}`);
  return path;
}
