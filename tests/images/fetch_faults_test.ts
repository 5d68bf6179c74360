/** Fetching on a bad day: killed, out of disk, many at once, behind a proxy; and asking a person. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { fileRoute, succeed } from "../world/web_site.ts";
import { until } from "../world/until.ts";

async function inWorld(test: (world: FetchWorld) => Promise<void>): Promise<void> {
  using world = new FetchWorld();
  world.trust();
  await test(world);
}

function randomText(length: number): string {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return Array.from(bytes, (byte) => byte.toString(36)).join("").slice(0, length);
}

Deno.test("rkt fetch, killed, leaves what the next fetch goes on from, and gc removes the rest", () =>
  inWorld(async (world) => {
    const big = world.image("example.com/big", "1.0", { data: randomText(600_000) });
    world.serve("example.com/big", "1.0", big);
    const url = world.url("example.com/big", "1.0");
    const half = big.length >> 1;
    const killed = Promise.withResolvers<void>();
    world.site.route(
      url,
      (request) => ({ ...fileRoute(big, '"big"', () => half)(request), hold: killed.promise }),
    );
    using child = disposable(world.spawn("fetch", "example.com/big:1.0"));
    const received = () =>
      world.stored("partial").filter((path) => /\/[0-9a-f]{40}$/.test(path))
        .map((path) => Deno.statSync(path).size)[0];
    await until(() => received() === half, 60, "half of the image");
    child.process.kill("SIGKILL");
    await child.process.status;
    killed.resolve();
    const froms: number[] = [];
    const from = (at: number) => {
      froms.push(at);
      return undefined;
    };
    world.site.route(url, fileRoute(big, '"big"', from));
    const { code, err } = await world.rkt("fetch", "example.com/big:1.0");
    assert.equal(code, 0, err);
    assert.deepEqual(froms, [half]);
    const gc = await world.rkt("image", "gc");
    assert.equal(gc.code, 0, gc.err);
    assert.deepEqual([...world.stored("tmp"), ...world.stored("partial")], []);
    const verify = await world.rkt("image", "verify", "example.com/big:1.0");
    assert.equal(verify.code, 0, verify.err);
  }));

function disposable(process: Deno.ChildProcess): Disposable & { process: Deno.ChildProcess } {
  return {
    process,
    [Symbol.dispose]: () => {
      process.stdout.cancel();
      process.stderr.cancel();
    },
  };
}

Deno.test("rkt image gc removes downloads that nobody took up again", () =>
  inWorld(async (world) => {
    const big = world.image("example.com/big", "1.0", { data: randomText(200_000) });
    world.serve("example.com/big", "1.0", big);
    let asked = 0;
    world.site.route(
      world.url("example.com/big", "1.0"),
      (request) => asked++ > 0 ? { status: 503 } : fileRoute(big, '"b"', () => 90_000)(request),
    );
    assert.equal((await world.rkt("fetch", "example.com/big:1.0")).code, 254);
    assert.notDeepEqual(world.stored("partial"), []);
    await world.rkt("image", "gc");
    assert.notDeepEqual(world.stored("partial"), [], "within the grace period");
    await world.rkt("image", "gc", "--grace-period=0s");
    assert.deepEqual(world.stored("partial"), []);
  }));

Deno.test("rkt fetch on a full disk ends in one line, with nothing left", () =>
  inWorld(async (world) => {
    const big = world.image("example.com/big", "1.0", { data: randomText(3_000_000) });
    world.serve("example.com/big", "1.0", big);
    world.site.route(world.url("example.com/big", "1.0"), fileRoute(big, '"big"'));
    Deno.mkdirSync(world.data);
    succeed("mount", "-t", "tmpfs", "-o", "size=2m", "none", world.data);
    try {
      const { code, err } = await world.rkt("fetch", "example.com/big:1.0");
      assert.equal(code, 254);
      assert.match(err, /^fetch: .*no space left below .*rkt image gc.*$/m);
      assert.doesNotMatch(err, /bug in rkt/);
      world.assertNothingStored();
    } finally {
      succeed("umount", world.data);
    }
  }));

Deno.test("eight rkt fetch of the same images at once, one killed now and then, beside gc", () =>
  inWorld(async (world) => {
    const labels = [{ name: "version", value: "1.0" }];
    const names = ["a", "b", "c", "d"].map((name) => `example.com/${name}`);
    const base = world.image("example.com/base", "1.0", { base: randomText(300_000) });
    world.serve("example.com/base", "1.0", base);
    for (const name of names) {
      const dependencies = [{ imageName: "example.com/base", labels }];
      const image = world.image(name, "1.0", { [name]: randomText(100_000) }, { dependencies });
      world.serve(name, "1.0", image);
    }
    const all = names.map((name) => `${name}:1.0`);
    const fetches = Array.from({ length: 8 }, () => world.spawn("fetch", ...all));
    const ends = fetches.map((child) => child.output());
    fetches[2]?.kill("SIGKILL");
    const collected = await world.rkt("image", "gc");
    assert.equal(collected.code, 0, collected.err);
    await until(() => world.stored("imageManifest").length > 0, 60, "an image in the store");
    fetches[5]?.kill("SIGKILL");
    await world.rkt("image", "gc");
    const outputs = await Promise.all(ends);
    const failures = outputs.filter((output) => !output.success && output.signal === null);
    assert.deepEqual(failures.map((output) => new TextDecoder().decode(output.stderr)), []);
    const after = await world.rkt("image", "gc");
    assert.equal(after.code, 0, after.err);
    assert.deepEqual(world.stored("tmp"), []);
    const verify = await world.rkt("image", "verify", ...all, "example.com/base:1.0");
    assert.equal(verify.code, 0, verify.err);
  }));

Deno.test("rkt fetch goes through the proxy of https_proxy", () =>
  inWorld(async (world) => {
    using proxy = connectProxy(world.site.address);
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}`, no_proxy: "" };
    const { code, err } = await world.rktWith({ args: ["fetch", "example.com/app:1.0"], env });
    assert.equal(code, 0, err);
    assert.deepEqual([...new Set(proxy.asked)].sort(), ["cdn.example.com:443", "example.com:443"]);
  }));

/** A proxy that knows CONNECT and one address. */
function connectProxy(address: string): Disposable & { port: number; asked: string[] } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [];
  const serve = async (client: Deno.TcpConn) => {
    const buffer = new Uint8Array(8192);
    const count = await client.read(buffer) ?? 0;
    const [method, host = ""] = new TextDecoder().decode(buffer.subarray(0, count)).split(" ");
    assert.equal(method, "CONNECT");
    asked.push(host);
    const server = await Deno.connect({ hostname: address, port: 443 });
    await client.write(new TextEncoder().encode("HTTP/1.1 200 Connected\r\n\r\n"));
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  };
  (async () => {
    for await (const client of listener) serve(client);
  })();
  return { port: listener.addr.port, asked, [Symbol.dispose]: () => listener.close() };
}

Deno.test("rkt trust asks on the terminal, and takes yes or no for an answer", () =>
  inWorld(async (world) => {
    const file = `${world.directory}/peer.asc`;
    Deno.writeFileSync(file, world.gpg.export(world.key));
    const ask = async (answers: string) => {
      const command = [
        Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname,
        `--local-config=${world.etc}`,
        `--system-config=${world.lib}`,
        ...["trust", "--prefix=example.org", file],
      ].join(" ");
      const child = new Deno.Command("script", {
        args: ["-qec", command, "/dev/null"],
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(answers));
      const { code, stdout } = await child.output();
      await writer.close().catch(() => {});
      return { code, out: new TextDecoder().decode(stdout) };
    };
    const no = await ask("maybe\nno\n");
    assert.equal(no.code, 254);
    assert.match(no.out, /gpg key fingerprint is: ([0-9A-F]{4} +){9}[0-9A-F]{4} \(Ed25519\)/);
    assert.match(no.out, /Peer <peer@example\.com>/);
    assert.match(no.out, /Please enter "yes" or "no"/);
    assert.match(no.out, /trust: key [0-9a-f]{40} from .*: not trusted/);
    const yes = await ask("yes\n");
    assert.equal(yes.code, 0, yes.out);
    assert.match(yes.out, /Added key for prefix "example\.org"/);
  }));

Deno.test("rkt image trust-status says why a file is not trusted, and stores nothing", () =>
  inWorld(async (world) => {
    const file = `${world.directory}/status.aci`;
    Deno.writeFileSync(file, world.app);
    Deno.writeFileSync(`${file}.asc`, world.gpg.sign(new Uint8Array(3), world.key));
    const bad = await world.rkt("image", "trust-status", file);
    assert.equal(bad.code, 1);
    assert.match(bad.out, /verdict: not trusted: .*these are not the bytes that key/);
    Deno.writeFileSync(`${file}.asc`, world.signature);
    const good = await world.rkt("image", "trust-status", "--format=json", file);
    assert.equal(good.code, 0, good.out);
    assert.equal(JSON.parse(good.out).trusted, true);
    world.assertNothingStored();
    const unknown = await world.rkt("image", "trust-status", "example.org/nosuch");
    assert.match(unknown.out, /no key is trusted for example\.org\/nosuch; add one: rkt trust/);
  }));
