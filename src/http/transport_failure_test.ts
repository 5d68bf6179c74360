import assert from "node:assert/strict";
import { transportFailure } from "./transport_failure.ts";

/** What Deno's fetch throws. */
function thrown(cause: string): Error {
  const text =
    `error sending request for url (https://example.com/a): client error (Connect): ${cause}`;
  return new TypeError("fetch failed", { cause: new Error(text) });
}

Deno.test("transportFailure() says what a person can do something about", () => {
  const cases: [string, RegExp, boolean][] = [
    [
      "invalid peer certificate: UnknownIssuer",
      /^https:\/\/example\.com: .*--ca-file adds one/,
      false,
    ],
    ["invalid peer certificate: NotValidForName", /for another name/, false],
    ["invalid peer certificate: Expired", /has expired/, false],
    ["invalid peer certificate: BadSignature", /its certificate is refused/, false],
    ["dns error: failed to lookup: Name or service not known", /no such host/, false],
    ["tcp connect error: Connection refused (os error 111)", /connection refused/, false],
    ["connection reset by peer", /connection lost \(connection reset by peer\)/, true],
  ];
  for (const [cause, expected, retryable] of cases) {
    const failure = transportFailure("https://example.com/a?secret=1", thrown(cause));
    assert.match(failure.message, expected);
    assert.equal(failure.retryable, retryable, cause);
    assert.doesNotMatch(failure.message, /secret|\n/);
  }
});
