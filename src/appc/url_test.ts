import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { parseHttpUrl } from "./url.ts";

Deno.test("parseHttpUrl() takes http and https only", () => {
  for (const text of ["http://example.com", "https://[::1]:8443/a?b#c"]) {
    assert.equal(parseHttpUrl(text), text);
  }
  for (
    const value of ["", "ftp://a/", "https://", "https:///a", "example.com", "javascript:0", 1]
  ) {
    assert.throws(() => parseHttpUrl(value), AppcError, String(value));
  }
});
