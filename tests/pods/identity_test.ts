/** Identities of pods: the SPIFFE Workload API at the socket in the pod, and `rkt identity`. */
import assert from "node:assert/strict";
import { run } from "../world/host_world.ts";
import { ask, type Registered, registeredPod, Service } from "../world/metadata_world.ts";
import { Lines, list, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { Tpm } from "../world/tpm.ts";
import { within } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const CLIENT = new URL("../world/spiffe_client.ts", import.meta.url).pathname;

const GRPC = new URL("../world/spiffe_grpc.ts", import.meta.url).pathname;
const LIBRARIES = new URL("../../testdata/grpc", import.meta.url).pathname;
/** The words with which Deno runs it. */
const WITH_LIBRARIES = [`--config=${LIBRARIES}/deno.json`, `--lock=${LIBRARIES}/deno.lock`];

/** The client in a process that is in a pod's PID namespace. */
const client = (from: Registered, ...words: string[]): Deno.Command =>
  inPod(from, CLIENT, ...words);

function inPod({ pod }: Registered, ...words: string[]): Deno.Command {
  return new Deno.Command("nsenter", {
    args: ["-t", `${pod.init}`, "--pid", Deno.execPath(), "run", "-A", ...words],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function asked(from: Registered, ...words: string[]): Promise<string> {
  const { stdout, stderr } = await client(from, ...words).output();
  const text = new TextDecoder().decode(stdout).trim();
  return text === "" ? new TextDecoder().decode(stderr) : text;
}

/** Writes what a pod was given, for openssl(1): the flags that name it. */
function filesOf(svid: string, name: string): readonly string[] {
  const { cert, key, ca } = JSON.parse(svid);
  return Object.entries({ cert, key, CAfile: ca }).flatMap(([flag, text]) => {
    const path = `${world.dir}/${name}-${flag}.pem`;
    Deno.writeTextFileSync(path, text);
    return [`-${flag}`, path];
  });
}

/** A server and a client, each with the identity of a pod, accept each other. */
async function mutualTls(ofServer: string, ofClient: string): Promise<void> {
  const server = new Deno.Command("openssl", {
    args: ["s_server", "-accept", "0", "-Verify", "2", "-verify_return_error", "-naccept", "2"]
      .concat(filesOf(ofServer, "server")),
    stdin: "piped", // it ends with its input
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = new Lines(server.stdout);
  let port: string | undefined;
  while (port === undefined) {
    const line = await lines.next();
    assert.ok(line !== undefined);
    port = /^ACCEPT .*:(\d+)$/.exec(line)?.[1];
  }
  const reach = async (...files: readonly string[]) => {
    const { code, stdout } = await new Deno.Command("openssl", {
      args: [
        "s_client",
        "-connect",
        `127.0.0.1:${port}`,
        "-tls1_2",
        "-verify_return_error",
        ...files,
      ],
      stdin: "null",
    }).output();
    return { code, text: new TextDecoder().decode(stdout) };
  };
  const good = await reach(...filesOf(ofClient, "client"));
  assert.equal(good.code, 0, good.text);
  assert.match(good.text, /Verify return code: 0 \(ok\)/);
  const [, , , , caFlag = "", ca = ""] = filesOf(ofClient, "client");
  assert.notEqual((await reach(caFlag, ca)).code, 0, "a client without an identity");
  // Two connections are all that it takes.
  await lines.cancel();
  await server.status;
  await server.stdin.close();
}

Deno.test("a pod gets a certificate and a token that the host's bundle verifies offline", async () => {
  await using _service = await Service.start(world, "--trust-domain=test.example");
  const one = await registeredPod(world);
  const socket = one.variables.get("SPIFFE_ENDPOINT_SOCKET");
  assert.equal(socket, "unix:///run/rkt/metadata/workload.sock");
  const { id, cert } = JSON.parse(await asked(one, "x509"));
  assert.match(id, /^spiffe:\/\/test\.example\/pod\/[0-9a-f-]{36}\/box$/);
  const bundle = await world.rkt("identity", "bundle", "--trust-domain=test.example");
  const [file, document] = [`${world.dir}/bundle.json`, `${world.dir}/document`];
  Deno.writeTextFileSync(file, bundle.stdout);
  const verify = async (text: string, ...flags: string[]) => {
    Deno.writeTextFileSync(document, text);
    return await world.rkt("identity", "verify", `--bundle=${file}`, ...flags, document);
  };
  const certificate = await verify(cert);
  assert.equal(certificate.code, 0, certificate.stderr);
  assert.equal(JSON.parse(certificate.stdout).sub, id);
  const token = await asked(one, "token", "db");
  const verified = await verify(token, "--audience=db");
  assert.equal(verified.code, 0, `${verified.stderr}${token}`);
  const claims = JSON.parse(verified.stdout);
  assert.equal(claims.sub, id);
  assert.match(claims.rkt.imageID, /^sha512-/);
  const [head = "", body = "", signature = ""] = token.split(".");
  for (
    const [bad, flags, message] of [
      [token, ["--audience=other"], /not for the audience/],
      [`${head}.${body}.${signature.replace(/^./, (c) => c === "A" ? "B" : "A")}`, [], /wrong/],
      [`${head}.${btoa("{}").replaceAll("=", "")}.${signature}`, [], /wrong/],
      [`${btoa('{"alg":"none"}').replaceAll("=", "")}.${body}.`, [], /not signed by ES256/],
      ["nothing", [], /can't be read/],
    ] as const
  ) {
    const { code, stderr } = await verify(bad, ...flags.length > 0 ? flags : ["--audience=db"]);
    assert.equal(code, 254);
    assert.match(stderr, message);
  }
  await one.pod.stop();
});

Deno.test("two pods know each other by TLS; neither gets the other's identity, nor does the host", async () => {
  await using service = await Service.start(world, "--trust-domain=test.example");
  const [one, other] = [await registeredPod(world), await registeredPod(world)];
  const ids = [];
  for (const each of [one, other]) ids.push(JSON.parse(await asked(each, "x509")).id);
  const [id = "", otherId = ""] = ids;
  assert.notEqual(id, otherId);
  assert.equal(await asked(one, "token-of", otherId), "7");
  assert.equal(await asked(one, "token-of", id), "given");
  assert.equal(await asked(one, "bare"), "3");
  await mutualTls(await asked(one, "x509"), await asked(other, "x509"));
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CLIENT, "x509"],
    stderr: "null",
  }).output();
  assert.equal(success, false);
  // What was issued before a restart is verified after it, and the same pod is the same.
  await service.end();
  await using _again = await Service.start(world, "--trust-domain=test.example");
  assert.equal(JSON.parse(await asked(one, "x509")).id, id);
  await other.pod.stop();
  await one.pod.stop();
});

Deno.test("gRPC's own client gets identities, and two pods know each other by them in mutual TLS", async () => {
  await using service = await Service.start(world, "--trust-domain=test.example");
  const [one, other] = [await registeredPod(world), await registeredPod(world)];
  const said = async (from: Registered, ...words: string[]) => {
    const { stdout, stderr, success } = await inPod(
      from,
      ...WITH_LIBRARIES,
      "--frozen",
      GRPC,
      ...words,
    ).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  };
  const { id, ...rest } = JSON.parse(await said(one, "all"));
  assert.match(id, /^spiffe:\/\/test\.example\/pod\/[0-9a-f-]{36}\/box$/);
  assert.deepEqual(rest, {
    signed: true,
    token: id,
    validated: id,
    domains: ["spiffe://test.example", "spiffe://test.example"],
    refused: "3",
  });
  const server = inPod(other, ...WITH_LIBRARIES, "--frozen", GRPC, "serve").spawn();
  const lines = new Lines(server.stdout);
  const port = await lines.next() ?? "";
  assert.match(port, /^\d+$/);
  assert.equal(await said(one, "reach", port), `hello ${id}`);
  // Who has no identity is not let in.
  const stranger = await new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-quiet", "-verify_quiet"],
    stdin: "null",
  }).output();
  assert.ok(!new TextDecoder().decode(stranger.stdout).includes("hello"));
  await lines.cancel();
  await server.stderr.cancel();
  assert.equal((await within(server.status, 30, "the server's end")).code, 0);
  assert.equal(await service.end(), 0);
  await other.pod.stop();
  await one.pod.stop();
});

Deno.test("what a pod has signed is verified offline by the bundle that the service shows to all", async () => {
  await using _service = await Service.start(world, "--trust-domain=test.example");
  const [one, other] = [await registeredPod(world), await registeredPod(world)];
  const sign = async (from: Registered) =>
    (await ask(from, "/acMetadata/v1/pod/ed25519/sign", "--data", "content=a%00b")).body;
  const uuid = (await ask(one, "/acMetadata/v1/pod/uuid")).body;
  const files = { bundle: `${world.dir}/public.json`, content: `${world.dir}/content` };
  const bundle = await world.rkt("identity", "bundle");
  Deno.writeTextFileSync(files.bundle, bundle.stdout);
  Deno.writeTextFileSync(files.content, "a\0b");
  const verify = async (signature: string) => {
    const path = `${world.dir}/signature`;
    Deno.writeTextFileSync(path, signature);
    const flags = [`--bundle=${files.bundle}`, `--content=${files.content}`];
    return await world.rkt("identity", "verify", ...flags, path);
  };
  const [signature, others] = [await sign(one), await sign(other)];
  const good = await verify(signature);
  assert.equal(good.code, 0, good.stderr);
  assert.equal(JSON.parse(good.stdout).sub, `spiffe://test.example/pod/${uuid}`);
  assert.notEqual(JSON.parse((await verify(others)).stdout).sub, JSON.parse(good.stdout).sub);
  Deno.writeTextFileSync(files.content, "a\0c");
  const wrong = await verify(signature);
  assert.equal(wrong.code, 254);
  assert.match(wrong.stderr, /^verify: the signature is of another content\n$/);
  await other.pod.stop();
  await one.pod.stop();
});

Deno.test("the TPM opens the host's secret for the service, and nobody else has it", async () => {
  await using tpm = await Tpm.start(world);
  const dir = `${world.dir}/sealed`;
  const rkt = (...args: string[]) => run(RKT, `--dir=${dir}`, ...args);
  await tpm.reachable(async () => {
    const service = await Service.start(world, `--dir=${dir}`);
    const before = (await rkt("identity", "bundle")).stdout;
    assert.equal(await service.end(), 0);
    const sealed = await rkt("identity", "seal", "--pcrs=sha256:7");
    assert.equal(sealed.code, 0, sealed.stderr);
    assert.deepEqual(list(`${dir}/identity`), ["sealed.json"]);
    const again = await rkt("identity", "seal");
    assert.match(again.stderr, /^seal: \S+sealed\.json: it is sealed already\n$/);
    const sealedService = await Service.start(world, `--dir=${dir}`);
    assert.equal((await rkt("identity", "bundle")).stdout, before, "the keys are the same");
    assert.equal(await sealedService.end(), 0);
    // Another boot, which has measured something else.
    assert.equal((await run("tpm2_pcrextend", `7:sha256=${"1".repeat(64)}`)).code, 0);
    const { code, stderr } = await rkt("identity", "bundle", "--trust-domain=x");
    assert.equal(code, 254);
    assert.match(stderr, /^bundle: the TPM: tpm2_unseal: /);
  });
  assert.deepEqual(list("/run/rkt").filter((name) => name.startsWith("tpm-")), []);
});

Deno.test("an app that leaves in the middle of calls ends nothing but its own connection", async () => {
  await using _service = await Service.start(world, "--trust-domain=test.example");
  const one = await registeredPod(world);
  assert.equal(await asked(one, "leave", "150"), "left");
  assert.match(await asked(one, "x509"), /"id"/);
  await one.pod.stop();
});
