import assert from "node:assert/strict";
import type { HttpCredentials } from "../config/config_kinds.ts";
import { authorization } from "./authorization.ts";

const BASIC: HttpCredentials = { type: "basic", user: "jö", password: "a:b" };

Deno.test("authorization() is for the host that is configured, and for https", async () => {
  const credentials = new Map([["example.com:8443", BASIC]]);
  const ask = (url: string) => authorization(new URL(url), credentials);
  assert.deepEqual(await ask("https://example.com:8443/x"), {
    authorization: "Basic asO2OmE6Yg==",
  });
  for (const url of ["http://example.com:8443/", "https://example.com/", "https://x.com:8443/"]) {
    assert.deepEqual(await ask(url), {});
  }
});

Deno.test("authorization() signs as Amazon's documentation does", async () => {
  // "Authenticating Requests: Using the Authorization Header", example "GET Bucket Lifecycle".
  const credentials = new Map<string, HttpCredentials>([["examplebucket.s3.amazonaws.com", {
    type: "aws",
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    region: "us-east-1",
  }]]);
  const url = new URL("https://examplebucket.s3.amazonaws.com/?lifecycle");
  const headers = await authorization(url, credentials, new Date("2013-05-24T00:00:00Z"));
  assert.match(
    headers.authorization ?? "",
    /Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543$/,
  );
  assert.equal(headers["x-amz-date"], "20130524T000000Z");
});
