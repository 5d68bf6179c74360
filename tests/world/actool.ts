/** Programs of the specification's reference implementation, built from the sources that Debian has of them. */
import assert from "node:assert/strict";

/** Where golang-github-appc-spec-dev puts them. */
const GOPATH = "/usr/share/gocode";
const SPEC = "github.com/appc/spec";

const CACHE = new URL("../../.cache/", import.meta.url).pathname;

/** Whether they can be built here. */
export function hasSpecSources(): boolean {
  const { success } = new Deno.Command("sh", { args: ["-c", "command -v go"] }).outputSync();
  try {
    return success && Deno.statSync(`${GOPATH}/src/${SPEC}`).isDirectory;
  } catch {
    return false;
  }
}

/** Builds actool, and returns its path. */
export const buildActool = (): string => buildOfSpec("actool");

/** Builds the validator of executors, which runs in a pod and looks at what the pod gives it. Returns its path. */
export const buildValidator = (): string => buildOfSpec("ace");

/** Builds a program of the specification's, for which Go's own cache decides whether there is something to do. */
function buildOfSpec(name: string): string {
  Deno.mkdirSync(CACHE, { recursive: true });
  const path = `${CACHE}${name}`;
  const { success, stderr } = new Deno.Command("go", {
    args: ["build", "-o", path, `${SPEC}/${name}`],
    // No modules: they would be fetched. No C: it asks for a compiler.
    env: { GO111MODULE: "off", CGO_ENABLED: "0", GOFLAGS: "", GOPATH, GOCACHE: `${CACHE}go` },
  }).outputSync();
  assert.ok(success, `go build ${SPEC}/${name}: ${new TextDecoder().decode(stderr)}`);
  return path;
}
