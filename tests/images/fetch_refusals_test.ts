/**
 * Images that must not be taken: each is refused in one line that says why, and nothing of it is
 * left. Keys and signatures are by real gpg, pages and images come from a real HTTPS server.
 */
import assert from "node:assert/strict";
import { succeed } from "../world/web_site.ts";
import { FetchWorld } from "../world/fetch_world.ts";

/** A case: what is wrong, and the reason that has to be given. */
interface Refusal {
  readonly what: string;
  readonly reason: RegExp;
  /** Makes the world wrong; may return what is to be fetched instead of `example.com/app:1.0`. */
  readonly arrange: (world: FetchWorld) => string | readonly string[] | void;
  /** Run without trust in the site's authority. */
  readonly noCa?: true;
}

const NAME = "example.com/app";
const WANTED = "example.com/app:1.0";

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

/** Serves the right image with another signature. */
function signedBy(world: FetchWorld, signature: Uint8Array): void {
  world.serve(NAME, "1.0", world.app, signature);
}

/** Trusts a key of its own kind, and signs with it. */
function withKey(
  algorithm: string,
  options: { time?: string; expires?: string; signTime?: string; args?: string[] } = {},
) {
  return (world: FetchWorld) => {
    const { gpg } = world;
    const key = gpg.key(`K${Math.random()} <k@example.com>`, algorithm, options);
    world.trust("example.com", key);
    const { signTime: time, args } = options;
    const signing = { ...time !== undefined && { time }, ...args !== undefined && { args } };
    signedBy(world, gpg.sign(world.app, key, signing));
  };
}

/** Serves an image that is properly signed, whatever it is. */
function signedImage(make: (world: FetchWorld) => Uint8Array) {
  return (world: FetchWorld) => {
    world.trust();
    world.serve(NAME, "1.0", make(world));
  };
}

function manifest(fields: Record<string, unknown>) {
  return signedImage((world) => world.image(NAME, "1.0", {}, fields));
}

/** An image made by a script in an empty directory; the script writes `image.aci`. */
function scripted(script: string) {
  return signedImage((world) => {
    const directory = Deno.makeTempDirSync({ dir: world.directory });
    Deno.mkdirSync(`${directory}/rootfs`);
    const labels = [["version", "1.0"], ["os", "linux"], ["arch", "amd64"]]
      .map(([name, value]) => ({ name, value }));
    const good = { acKind: "ImageManifest", acVersion: "0.8.11", name: NAME, labels };
    Deno.writeTextFileSync(`${directory}/manifest`, JSON.stringify(good));
    succeed("sh", "-ec", `cd "$0"\n${script}`, directory);
    return Deno.readFileSync(`${directory}/image.aci`);
  });
}

const SIGNATURES: readonly Refusal[] = [
  {
    what: "an image with one bit changed",
    reason: /these are not the bytes that key/,
    arrange: (world) => {
      world.trust();
      world.serve(NAME, "1.0", changed(world.app, world.app.length >> 1), world.signature);
    },
  },
  {
    what: "an image whose end is missing",
    reason: /these are not the bytes that key/,
    arrange: (world) => {
      world.trust();
      world.serve(NAME, "1.0", world.app.subarray(0, -20), world.signature);
    },
  },
  {
    what: "an image with something behind its end",
    reason: /these are not the bytes that key/,
    arrange: (world) => {
      world.trust();
      const longer = new Uint8Array(world.app.length + 4);
      longer.set(world.app);
      world.serve(NAME, "1.0", longer, world.signature);
    },
  },
  {
    what: "another image of the same name",
    reason: /these are not the bytes that key/,
    arrange: (world) => {
      world.trust();
      world.serve(NAME, "1.0", world.image(NAME, "1.0", { "bin/app": "evil" }), world.signature);
    },
  },
  {
    what: "the same archive, compressed anew",
    reason: /these are not the bytes that key/,
    arrange: (world) => {
      world.trust();
      const path = `${world.directory}/again.aci`;
      Deno.writeFileSync(`${path}.gz`, world.app);
      succeed("sh", "-ec", 'gzip -dc "$0.gz" | gzip -1 > "$0"', path);
      world.serve(NAME, "1.0", Deno.readFileSync(path), world.signature);
    },
  },
  {
    what: "a signature by somebody else",
    reason: /made by key ID [0-9A-F]{16}, which is not trusted for this name; .*rkt trust --prefix/,
    arrange: (world) => {
      world.trust();
      const stranger = world.gpg.key(`S${Math.random()} <s@example.com>`, "ed25519");
      signedBy(world, world.gpg.sign(world.app, stranger));
    },
  },
  {
    what: "a signature with one byte changed",
    reason: /signature/,
    arrange: (world) => {
      world.trust();
      const asc = new TextDecoder().decode(world.signature);
      const at = asc.indexOf("\n\n") + 60;
      signedBy(world, text(asc.slice(0, at) + (asc[at] === "A" ? "B" : "A") + asc.slice(at + 1)));
    },
  },
  {
    what: "an empty signature",
    reason: /no armoured PGP SIGNATURE/,
    arrange: (world) => {
      world.trust();
      signedBy(world, text(""));
    },
  },
  {
    what: "a page in place of the signature",
    reason: /no armoured PGP SIGNATURE/,
    arrange: (world) => {
      world.trust();
      signedBy(world, text("<html>please log in</html>"));
    },
  },
  {
    what: "a signature without armour",
    reason: /no armoured PGP SIGNATURE/,
    arrange: (world) => {
      world.trust();
      const args = ["--local-user", world.key, "--output", "-", "--detach-sign"];
      signedBy(world, world.gpg.run(args, world.app));
    },
  },
  {
    what: "a signature file without end",
    reason: /larger than \d+ bytes/,
    arrange: (world) => {
      world.trust();
      signedBy(world, new Uint8Array(1 << 20));
    },
  },
  {
    what: "no signature",
    reason: /signature https:\S+\.aci\.asc: 404/,
    arrange: (world) => {
      world.trust();
      world.site.route(`${world.url(NAME, "1.0")}.asc`, { status: 404 });
    },
  },
  {
    what: "a forbidden signature",
    reason: /signature https:\S+\.aci\.asc: 403/,
    arrange: (world) => {
      world.trust();
      world.site.route(`${world.url(NAME, "1.0")}.asc`, { status: 403 });
    },
  },
  {
    what: "a signature that is promised for ever",
    reason: /the server still has no signature \(202 Accepted\)/,
    arrange: (world) => {
      world.trust();
      world.site.route(`${world.url(NAME, "1.0")}.asc`, { status: 202 });
    },
  },
  {
    what: "the signature of another image",
    reason: /these are not the bytes that key/,
    arrange: (world) => {
      world.trust();
      signedBy(world, world.gpg.sign(text("another image"), world.key));
    },
  },
  {
    what: "a signature over text",
    reason: /it is over text, not over bytes/,
    arrange: (world) => {
      world.trust();
      signedBy(world, world.gpg.sign(world.app, world.key, { args: ["--textmode"] }));
    },
  },
  {
    what: "a SHA-1 signature",
    reason: /it uses SHA1, which is broken/,
    arrange: withKey("rsa2048", {
      args: ["--allow-weak-digest-algos", "--digest-algo", "SHA1"],
    }),
  },
  {
    what: "an MD5 signature",
    reason: /it uses MD5, which is broken/,
    arrange: withKey("rsa2048", { args: ["--allow-weak-digest-algos", "--digest-algo", "MD5"] }),
  },
  { what: "a DSA key", reason: /is a DSA key/, arrange: withKey("dsa2048") },
  {
    what: "a short RSA key",
    reason: /shorter than 2047 bits/,
    arrange: withKey("rsa1024"),
  },
  {
    what: "an expired key",
    reason: /expired on 2021-01-01/,
    arrange: withKey("ed25519", {
      time: "20200101T000000",
      expires: "2021-01-01",
      signTime: "20200601T000000",
    }),
  },
  {
    what: "an expired signature",
    reason: /Signature is expired/,
    arrange: withKey("ed25519", {
      time: "20200101T000000",
      signTime: "20200601T000000",
      args: ["--default-sig-expire", "1d"],
    }),
  },
  {
    what: "a signature from the future",
    reason: /future/,
    arrange: withKey("ed25519", { signTime: "20370101T000000" }),
  },
  {
    what: "a key that its owner revoked",
    reason: /has been revoked by its owner/,
    arrange: (world) => {
      const { gpg } = world;
      const key = gpg.key(`R${Math.random()} <r@example.com>`, "ed25519");
      signedBy(world, gpg.sign(world.app, key));
      const path = `${gpg.home}/openpgp-revocs.d/${key.toUpperCase()}.rev`;
      const certificate = Deno.readTextFileSync(path).replace(":-----BEGIN", "-----BEGIN");
      gpg.run(["--import"], text(certificate));
      world.trust("example.com", key);
    },
  },
  {
    what: "a key of another prefix",
    reason: /which is not trusted for this name/,
    arrange: (world) => void world.trust("example.org"),
  },
  {
    what: "a key of a prefix that only begins alike",
    reason: /which is not trusted for this name/,
    arrange: (world) => void world.trust("example.com/ap"),
  },
  {
    what: "a key of what lies below the name",
    reason: /which is not trusted for this name/,
    arrange: (world) => void world.trust("example.com/app/sub"),
  },
  {
    what: "a system key that an empty local file masks",
    reason: /which is not trusted for this name/,
    arrange: (world) => {
      const directory = `${world.lib}/trustedkeys/root.d`;
      Deno.mkdirSync(directory, { recursive: true });
      Deno.writeFileSync(`${directory}/${world.key}`, world.gpg.export(world.key));
      world.trust("", world.key, new Uint8Array());
    },
  },
  {
    what: "a key file that holds another key",
    reason: /its name says another/,
    arrange: (world) =>
      void world.trust("example.com", "a".repeat(40), world.gpg.export(world.key)),
  },
  {
    what: "a damaged key file",
    reason: /not usable as OpenPGP public key/,
    arrange: (world) => void world.trust("example.com", world.key, new Uint8Array([0x98, 1, 2])),
  },
  {
    what: "a private key in the keystore",
    reason: /a private key/,
    arrange: (world) => {
      const args = ["--passphrase", "", "--armor", "--export-secret-keys", world.key];
      world.trust("example.com", world.key, world.gpg.run(args));
    },
  },
  {
    what: "no key at all, and nobody to ask about the one that is discovered",
    reason: /no key was added .*no terminal to ask on[^]*which is not trusted for this name/,
    arrange: () => {},
  },
];

const IMAGES: readonly Refusal[] = [
  {
    what: "another name in the manifest",
    reason: /its manifest says that it is "example\.com\/other", but "example\.com\/app" was asked/,
    arrange: signedImage((world) => world.image("example.com/other", "1.0")),
  },
  {
    what: "another version in the manifest",
    reason: /its manifest has version=2\.0, but version=1\.0 was asked for/,
    arrange: signedImage((world) => world.image(NAME, "2.0")),
  },
  {
    what: "no version in the manifest",
    reason: /its manifest has no label "version"/,
    arrange: manifest({
      labels: [{ name: "os", value: "linux" }, { name: "arch", value: "amd64" }],
    }),
  },
  {
    what: "another architecture in the manifest",
    reason: /its manifest has arch=s390x, but arch=\w+ was asked for/,
    arrange: manifest({
      labels: [
        { name: "version", value: "1.0" },
        { name: "os", value: "linux" },
        { name: "arch", value: "s390x" },
      ],
    }),
  },
  {
    what: "a manifest of another kind",
    reason: /acKind/,
    arrange: manifest({ acKind: "PodManifest" }),
  },
  {
    what: "a manifest with an impossible port",
    reason: /app\.ports\[0\]\.port: 70000 is not between 1 and 65535/,
    arrange: manifest({
      app: {
        exec: ["/bin/app"],
        user: "0",
        group: "0",
        ports: [{ name: "http", protocol: "tcp", port: 70000 }],
      },
    }),
  },
  {
    what: "a manifest that is no JSON",
    reason: /manifest/,
    arrange: scripted('echo "{" > manifest; tar -czf image.aci manifest rootfs'),
  },
  {
    what: "an archive without manifest",
    reason: /manifest/,
    arrange: scripted("tar -czf image.aci rootfs"),
  },
  {
    what: "an archive without rootfs",
    reason: /rootfs/,
    arrange: scripted("tar -czf image.aci manifest"),
  },
  {
    what: "an archive with a third name at its top",
    reason: /evil/,
    arrange: scripted("echo > evil; tar -czf image.aci manifest rootfs evil"),
  },
  {
    what: "an archive with a path out of its root",
    reason: /\.\./,
    arrange: scripted(
      "echo > evil; tar -czf image.aci -P --transform='s,^evil,rootfs/../../evil,' manifest rootfs evil",
    ),
  },
  {
    what: "an archive with two manifests",
    reason: /manifest/,
    arrange: scripted("tar -cf t manifest rootfs; tar -rf t manifest; gzip -c t > image.aci"),
  },
  {
    what: "a page in place of the image",
    reason: /not an image/,
    arrange: signedImage(() => text("<html>please log in</html>".repeat(100))),
  },
  { what: "an empty image", reason: /is empty/, arrange: signedImage(() => text("")) },
  {
    what: "a signed image that was cut before it was signed",
    reason: /./,
    arrange: signedImage((world) => world.app.slice(0, -30)),
  },
  {
    what: "a dependency of another size",
    reason: /has \d+ bytes, but 1000000 were asked for/,
    arrange: (world) => {
      world.trust();
      world.serve("example.com/base", "1.0", world.image("example.com/base", "1.0"));
      const labels = [{ name: "version", value: "1.0" }];
      const dependencies = [{ imageName: "example.com/base", labels, size: 1_000_000 }];
      world.serve(NAME, "1.0", world.image(NAME, "1.0", {}, { dependencies }));
    },
  },
  {
    what: "a dependency without end",
    reason: /larger than the 10 bytes that it should have/,
    arrange: (world) => {
      world.trust();
      world.serve("example.com/base", "1.0", world.image("example.com/base", "1.0"));
      const labels = [{ name: "version", value: "1.0" }];
      const dependencies = [{ imageName: "example.com/base", labels, size: 10 }];
      world.serve(NAME, "1.0", world.image(NAME, "1.0", {}, { dependencies }));
    },
  },
  {
    what: "a dependency with another ID",
    reason: /its ID is sha512-[0-9a-f]+, but sha512-0{128} was asked for/,
    arrange: (world) => {
      world.trust();
      world.serve("example.com/base", "1.0", world.image("example.com/base", "1.0"));
      const labels = [{ name: "version", value: "1.0" }];
      const imageID = `sha512-${"0".repeat(128)}`;
      const dependencies = [{ imageName: "example.com/base", labels, imageID }];
      world.serve(NAME, "1.0", world.image(NAME, "1.0", {}, { dependencies }));
    },
  },
  {
    what: "a dependency that nobody serves",
    reason: /base-1\.0-linux-\w+\.aci: 404 .*there is no such image/,
    arrange: (world) => {
      world.trust();
      const labels = [{ name: "version", value: "1.0" }];
      const dependencies = [{ imageName: "example.com/base", labels }];
      world.serve(NAME, "1.0", world.image(NAME, "1.0", {}, { dependencies }));
    },
  },
  {
    what: "an image that depends on itself",
    reason: /depends on itself/,
    arrange: (world) => {
      world.trust();
      const dependencies = [{ imageName: NAME, labels: [{ name: "version", value: "1.0" }] }];
      world.serve(NAME, "1.0", world.image(NAME, "1.0", {}, { dependencies }));
    },
  },
];

const TRANSPORT: readonly Refusal[] = [
  {
    what: "a redirect to http",
    reason:
      /redirects to http:\/\/example\.com\/app\.aci: is not encrypted; --insecure-options=http/,
    arrange: (world) => {
      world.trust();
      const headers = { location: "http://example.com/app.aci" };
      world.site.route("http://example.com/app.aci", { body: world.app });
      world.site.route(world.url(NAME, "1.0"), { status: 302, headers });
    },
  },
  {
    what: "a signature that redirects to http",
    reason: /redirects to http:\/\/example\.com\/app\.asc: is not encrypted/,
    arrange: (world) => {
      world.trust();
      const headers = { location: "http://example.com/app.asc" };
      world.site.route("http://example.com/app.asc", { body: world.signature });
      world.site.route(`${world.url(NAME, "1.0")}.asc`, { status: 307, headers });
    },
  },
  {
    what: "a redirect to a file",
    reason: /redirects to file:\/\/\/etc\/passwd: is no web address/,
    arrange: (world) => {
      world.trust();
      const headers = { location: "file:///etc/passwd" };
      world.site.route(world.url(NAME, "1.0"), { status: 302, headers });
    },
  },
  {
    what: "redirects in a circle",
    reason: /more than 10 redirects/,
    arrange: (world) => {
      world.trust();
      const headers = { location: world.url(NAME, "1.0") };
      world.site.route(world.url(NAME, "1.0"), { status: 301, headers });
    },
  },
  {
    what: "a template to http",
    reason: /is not encrypted/,
    arrange: (world) => {
      world.trust();
      world.site.route("https://example.com/?ac-discovery=1", {
        body: '<meta name=ac-discovery content="example.com http://example.com/{name}.{ext}">',
      });
    },
  },
  {
    what: "a page by http only",
    reason: /discovery failed/,
    arrange: (world) => {
      world.trust();
      world.site.route("https://example.com/?ac-discovery=1", { status: 404 });
      world.site.route("http://example.com/app?ac-discovery=1", {
        body: '<meta name=ac-discovery content="example.com https://example.com/{name}.{ext}">',
      });
    },
  },
  {
    what: "a URL by http",
    reason: /http:\/\/example\.com\/app\.aci\.asc: is not encrypted/,
    arrange: (world) => {
      world.trust();
      return "http://example.com/app.aci";
    },
  },
  {
    what: "a page without tags",
    reason: /discovery failed: .*rkt image discover example\.com\/app:1\.0/,
    arrange: (world) =>
      world.site.route("https://example.com/?ac-discovery=1", { body: "<title>hi</title>" }),
  },
  {
    what: "tags in the body, a comment and noscript",
    reason: /discovery failed/,
    arrange: (world) => {
      const tag = '<meta name=ac-discovery content="example.com https://example.org/{name}.{ext}">';
      const body = `<head><!-- ${tag} --><noscript>${tag}</noscript></head><body>${tag}</body>`;
      world.site.route("https://example.com/?ac-discovery=1", { body });
    },
  },
  {
    what: "a template with a label that the image lacks",
    reason: /discovery failed/,
    arrange: (world) =>
      world.site.route("https://example.com/?ac-discovery=1", {
        body: '<meta name=ac-discovery content="example.com https://x.com/{channel}.{ext}">',
      }),
  },
  {
    what: "a page without end",
    reason: /larger than 1048576 bytes/,
    arrange: (world) =>
      world.site.route("https://example.com/app?ac-discovery=1", { body: " ".repeat(2 << 20) }),
  },
  {
    what: "no image",
    reason: /\.aci: 404/,
    arrange: (world) => {
      world.trust();
      world.site.route(world.url(NAME, "1.0"), { status: 404 });
    },
  },
  {
    what: "a server in trouble",
    reason: /\.aci: 503/,
    arrange: (world) => {
      world.trust();
      world.site.route(world.url(NAME, "1.0"), { status: 503 });
    },
  },
  {
    what: "a server that says nothing has changed, though there was nothing",
    reason: /\.aci: 304/,
    arrange: (world) => {
      world.trust();
      world.site.route(world.url(NAME, "1.0"), { status: 304 });
    },
  },
  {
    what: "a server that sends less than it promised",
    reason: /the server sent \d+ of 999999 bytes|changed on the server|connection lost/,
    arrange: (world) => {
      world.trust();
      const headers = { "content-length": "999999", etag: '"x"' };
      world.site.route(
        world.url(NAME, "1.0"),
        ({ headers: asked }) => asked.has("range") ? { status: 416 } : { headers, body: world.app },
      );
    },
  },
  {
    what: "a server that cuts each connection, and can't resume",
    reason: /connection lost|sent \d+ of \d+ bytes/,
    arrange: (world) => {
      world.trust();
      world.site.route(world.url(NAME, "1.0"), { body: world.app, cutAfter: 10 });
    },
  },
  {
    what: "a certificate by an authority that nobody trusts",
    reason: /not signed by an authority that this host trusts; --ca-file adds one/,
    arrange: (world) => void world.trust(),
    noCa: true,
  },
  {
    what: "a certificate for another name",
    reason: /its certificate is for another name/,
    arrange: () => "https://wrong-name.example.com/app.aci",
  },
  {
    what: "an expired certificate",
    reason: /its certificate has expired/,
    arrange: () => "https://example.com:8443/app.aci",
  },
  {
    what: "a host that does not exist",
    reason: /no such host|could not be resolved/,
    arrange: () => "https://nosuch.example.invalid/app.aci",
  },
  {
    what: "a port where nobody listens",
    reason: /connection refused/,
    arrange: () => "https://example.com:4/app.aci",
  },
  {
    what: "a port that does not speak TLS",
    reason: /https:\/\/example\.com:80: /,
    arrange: () => "https://example.com:80/app.aci",
  },
  {
    what: "credentials in the URL",
    reason: /\/\/…@example\.com\/app\.aci: put credentials into auth\.d/,
    arrange: () => "https://jo:secret@example.com/app.aci",
  },
  {
    what: "an ID that is not in the store",
    reason: /is not in the store/,
    arrange: () => "sha512-0123456789abcdef",
  },
  {
    what: "an image that is not in the store, and must not be fetched",
    reason: /--pull-policy=never keeps it from being fetched/,
    arrange: () => ["--pull-policy=never", WANTED],
  },
  {
    what: "one signature for two images",
    reason: /--signature is the signature of one image/,
    arrange: () => ["--signature=x.asc", WANTED, WANTED],
  },
];

async function check(world: FetchWorld, refusal: Refusal): Promise<void> {
  world.reset();
  const given = refusal.arrange(world) ?? WANTED;
  const args = ["fetch", ...[given].flat()];
  const { code, out, err } = await world.rktWith({ args, noCa: refusal.noCa === true });
  assert.equal(code, 254, `${refusal.what}: ${out}${err}`);
  assert.equal(out, "");
  assert.match(err, refusal.reason);
  const lines = err.trimEnd().split("\n");
  const said = lines.filter((line) => !line.startsWith("image: "));
  assert.equal(said.length, 1, `one line, not ${err}`);
  assert.match(said[0] ?? "", /^fetch: /);
  assert.doesNotMatch(err, /bug in rkt|^\s+at /m);
}

/** Images that were refused for what they depend on may stay, as they are good by themselves. */
function mayLeaveImages(refusal: Refusal): boolean {
  return /depend/.test(refusal.what);
}

const GROUPS = [
  ["rkt fetch refuses: signatures", SIGNATURES],
  ["rkt fetch refuses: images", IMAGES],
  ["rkt fetch refuses: transport", TRANSPORT],
] as const;

for (const [name, refusals] of GROUPS) {
  Deno.test(name, async (t) => {
    using world = new FetchWorld();
    world.site.listenWithExpiredCertificate(8443);
    for (const refusal of refusals) {
      await t.step(refusal.what, async () => {
        await check(world, refusal);
        if (mayLeaveImages(refusal)) assert.deepEqual(world.stored("tmp"), []);
        else world.assertNothingStored();
      });
    }
  });
}
