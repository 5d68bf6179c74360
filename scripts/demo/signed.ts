/** The demo's second part: a signed image, found by its name. */
import { architectureLabel } from "../../src/appc/label.ts";
import type { Shell } from "./shell.ts";

/** From a key to a pod of a signed image, and a changed image that is refused. */
export async function signedImage(shell: Shell): Promise<void> {
  const arch = architectureLabel(Deno.build.arch);
  const image = `site/example.com/greeter-1.0-linux-${arch}.aci`;
  shell.chapter("A signed image, found by its name");
  await shell.type("mkdir -p -m 700 gnupg site/example.com");
  await shell.type(
    "gpg --batch --quiet --passphrase '' --quick-generate-key 'Peer <peer@example.com>' ed25519 " +
      "sign 2>/dev/null",
  );
  await shell.type("gpg --armor --export peer@example.com > site/keys.asc");
  await shell.type(
    `rkt image build --name=example.com/greeter --label=version=1.0 rootfs ${image} -- ` +
      "/bin/busybox echo 'Hello from a signed image'",
  );
  await shell.type(`gpg --armor --output ${image}.asc --detach-sign ${image}`);
  await Deno.writeTextFile(
    `${shell.directory}/site/index.html`,
    '<meta name="ac-discovery"\n' +
      '  content="example.com https://example.com/{name}-{version}-{os}-{arch}.{ext}">\n' +
      '<meta name="ac-discovery-pubkeys" content="example.com https://example.com/keys.asc">\n',
  );
  shell.say("What example.com says about its images:");
  await shell.type("cat site/index.html");

  await using site = await webSite(shell);
  shell.say(
    `Now example.com is a web server at port ${site.port} of this machine, for this demo's rkt only.`,
  );
  await shell.type("rkt fetch example.com/greeter:1.0", 254);
  shell.say("Nobody trusts the key yet. A person would compare the fingerprint; here it is ours.");
  await shell.type("rkt trust --prefix=example.com --skip-fingerprint-review");
  await shell.type("rkt run --net=none example.com/greeter:1.0");
  await shell.type("rkt image trust-status example.com/greeter:1.0");

  shell.say("Somebody breaks into the server and changes one byte:");
  await shell.type(`printf x | dd of=${image} bs=1 seek=1000 conv=notrunc status=none`);
  await shell.type("rkt fetch --pull-policy=update example.com/greeter:1.0", 254);
}

/** Serves the directory `site` as https://example.com to the rkt of the demo, which gets there by a proxy. */
async function webSite(shell: Shell): Promise<AsyncDisposable & { readonly port: number }> {
  const { directory } = shell;
  await certificates(shell);
  const [cert, key] = await Promise.all(
    ["site.pem", "site.key"].map((name) => Deno.readTextFile(`${directory}/tls/${name}`)),
  );
  const server = Deno.serve(
    { hostname: LOOPBACK, port: 0, cert, key, onListen: () => {} },
    (request) => file(`${directory}/site`, new URL(request.url)),
  );
  const proxy = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const { port } = server.addr;
  leadTo(port, proxy);
  await Deno.writeTextFile(`${directory}/proxy`, `http://${LOOPBACK}:${proxy.addr.port}`);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      proxy.close();
      await server.shutdown();
    },
  };
}

const LOOPBACK = "127.0.0.1";

/** A proxy that leads whoever asks for anything to one port (RFC 9110, "CONNECT"). */
async function leadTo(port: number, proxy: Deno.Listener): Promise<void> {
  for await (const client of proxy) {
    // What breaks here, the demo's rkt says.
    tunnel(client, port).catch(() => {});
  }
}

async function tunnel(client: Deno.Conn, port: number): Promise<void> {
  using inside = client;
  // The client waits for the answer before it says more.
  let asked = "";
  const bytes = new Uint8Array(4096);
  while (!asked.includes("\r\n\r\n")) {
    const size = await inside.read(bytes);
    if (size === null) return;
    asked += new TextDecoder().decode(bytes.subarray(0, size));
  }
  using server = await Deno.connect({ hostname: LOOPBACK, port });
  await inside.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
  const options = { preventClose: true };
  await Promise.race([
    inside.readable.pipeTo(server.writable, options),
    server.readable.pipeTo(inside.writable, options),
  ]);
}

async function file(directory: string, url: URL): Promise<Response> {
  const path = url.pathname === "/" ? "/index.html" : url.pathname;
  try {
    return new Response(await Deno.readFile(directory + path));
  } catch {
    return new Response("not here", { status: 404 });
  }
}

/** An authority, and a certificate of it for example.com. */
async function certificates(shell: Shell): Promise<void> {
  const request = "openssl req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
  await shell.quietly(
    "mkdir tls && " +
      `${request} -x509 -days 2 -subj '/CN=authority of the demo' -keyout tls/ca.key -out tls/ca.pem && ` +
      `${request} -subj /CN=example.com -keyout tls/site.key -out tls/site.csr && ` +
      "echo subjectAltName=DNS:example.com > tls/names && " +
      "openssl x509 -req -days 2 -in tls/site.csr -CA tls/ca.pem -CAkey tls/ca.key " +
      "-CAcreateserial -extfile tls/names -out tls/site.pem",
  );
}
