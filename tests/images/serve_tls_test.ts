/** `rkt serve` over TLS: a site that discovery can use as it is. */
import assert from "node:assert/strict";
import { RKT, rkt } from "../world/rkt.ts";
import { succeed } from "../world/web_site.ts";

/** A directory with a site, and a certificate of an authority of its own. */
function site(): { readonly dir: string; readonly tls: readonly string[] } {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-serve-" });
  const [cert, key] = [`${dir}/cert.pem`, `${dir}/key.pem`];
  succeed(
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] as const,
    ...["-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=a test"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
  );
  Deno.mkdirSync(`${dir}/www`);
  Deno.writeTextFileSync(`${dir}/www/file`, "served by TLS");
  return { dir, tls: [`--tls-cert=${cert}`, `--tls-key=${key}`] };
}

Deno.test("rkt serve speaks TLS with its certificate, and nothing else at that port", async () => {
  const { dir, tls } = site();
  const child = new Deno.Command(RKT, {
    args: ["serve", "--listen=127.0.0.1:0", ...tls, `${dir}/www`],
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) said += (await reader.read()).value ?? "\n";
  const [origin = "", port = ""] = /https:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
  const curl = async (...args: string[]) => {
    const { code, stdout } = await new Deno.Command("curl", {
      args: ["-s", "--max-time", "30", ...args],
    }).output();
    return { code, text: new TextDecoder().decode(stdout) };
  };
  try {
    const ca = ["--cacert", `${dir}/cert.pem`];
    assert.deepEqual(await curl(...ca, `${origin}/file`), { code: 0, text: "served by TLS" });
    assert.deepEqual(await curl(...ca, "-r", "7-8", `${origin}/file`), { code: 0, text: "by" });
    // CURLE_PEER_FAILED_VERIFICATION
    assert.equal((await curl(`${origin}/file`)).code, 60);
    assert.notEqual((await curl(`http://127.0.0.1:${port}/file`)).text, "served by TLS");
    assert.equal((await curl(...ca, `${origin}/file`)).text, "served by TLS", "it goes on");
  } finally {
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    await reader.cancel();
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("a certificate without its key, or with another one, is refused", async () => {
  const [one, other] = [site(), site()];
  const serve = (...flags: string[]) =>
    rkt("serve", "--listen=127.0.0.1:0", ...flags, `${one.dir}/www`);
  const [cert = ""] = one.tls;
  const [, key = ""] = other.tls;
  for (const flags of [[cert], [key]]) {
    const { code, stderr } = await serve(...flags);
    assert.equal(code, 254);
    assert.equal(stderr, "serve: --tls-cert and --tls-key go together\n");
  }
  for (const flags of [[cert, key], [cert, "--tls-key=/nonexistent"]]) {
    const { code, stderr } = await serve(...flags);
    assert.equal(code, 254, stderr);
    assert.match(stderr, /^serve: [^\n]+\n$/);
  }
  for (const { dir } of [one, other]) Deno.removeSync(dir, { recursive: true });
});
