/** A small token server, as Docker Hub and ghcr.io have one (distribution, "Token Authentication Specification"). */
import { createPrivateKey, sign } from "node:crypto";
import type { CertificateFiles } from "./authority.ts";
import { PASSWORD } from "./debian_registry.ts";

/** What the server was asked. */
export interface TokenAsked {
  readonly method: string;
  readonly scope: string;
  readonly user: string | undefined;
}

/** The identity token that stands for the user `me`. */
export const IDENTITY_TOKEN = "identity-of-me";

/** A running token server. */
export class TokenServer implements AsyncDisposable {
  readonly asked: TokenAsked[] = [];
  /** Changes what a token is for. */
  scope: (scope: string) => string = (scope) => scope;
  /** Whether it knows OAuth 2. */
  oauth = true;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #signer: { readonly cert: string; readonly key: string };

  private constructor(tls: CertificateFiles, signer: CertificateFiles) {
    const read = Deno.readTextFileSync;
    this.#signer = { cert: read(signer.cert), key: read(signer.key) };
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: read(tls.cert),
      key: read(tls.key),
      onListen: () => {},
    }, (request) => this.#answer(request));
  }

  /** @param signer whose key signs the tokens */
  static start(tls: CertificateFiles, signer: CertificateFiles): TokenServer {
    return new TokenServer(tls, signer);
  }

  get realm(): string {
    return `https://127.0.0.1:${this.#server.addr.port}/token`;
  }

  async #answer(request: Request): Promise<Response> {
    if (request.method === "POST" && !this.oauth) return new Response("", { status: 404 });
    const form = request.method === "POST"
      ? new URLSearchParams(await request.text())
      : new URL(request.url).searchParams;
    const scope = form.getAll("scope").join(" ");
    const user = this.#user(request, form);
    this.asked.push({ method: request.method, scope, user });
    if (user === undefined) {
      const errors = [{ code: "UNAUTHORIZED", message: "wrong user or password" }];
      return Response.json({ errors }, { status: 401 });
    }
    return Response.json({ token: this.#token(user, this.scope(scope)), expires_in: 300 });
  }

  /** `""` is nobody; `undefined` is somebody with a wrong password. */
  #user(request: Request, form: URLSearchParams): string | undefined {
    const refresh = form.get("refresh_token");
    if (refresh !== null) return refresh === IDENTITY_TOKEN ? "me" : undefined;
    const header = request.headers.get("authorization");
    if (header === null) return "";
    const basic = atob(header.replace(/^Basic /, ""));
    return [`me:${PASSWORD}`, `<token>:${IDENTITY_TOKEN}`].includes(basic) ? "me" : undefined;
  }

  /** Nobody may pull from `public/…` only. */
  #token(user: string, scope: string): string {
    const access = scope.split(" ").flatMap((each) => {
      const [type = "", name = "", actions = ""] = each.split(":");
      const allowed = user === "me"
        ? actions.split(",")
        : name.startsWith("public/")
        ? ["pull"]
        : [];
      return [{ type, name, actions: allowed }];
    });
    const now = Math.floor(Date.now() / 1000);
    const der = this.#signer.cert.replace(/-----[^-]+-----|\s/g, "");
    const encoded = (value: unknown) =>
      new TextEncoder().encode(JSON.stringify(value))
        .toBase64({ alphabet: "base64url", omitPadding: true });
    const head = encoded({ typ: "JWT", alg: "ES256", x5c: [der] });
    const claims = encoded({
      ...{ iss: "a test", sub: user, aud: "registry.test", jti: crypto.randomUUID(), access },
      ...{ iat: now, nbf: now - 10, exp: now + 300 },
    });
    const signed = new TextEncoder().encode(`${head}.${claims}`);
    const key = createPrivateKey(this.#signer.key);
    const signature = sign("sha256", signed, { key, dsaEncoding: "ieee-p1363" });
    return `${head}.${claims}.${
      new Uint8Array(signature).toBase64({ alphabet: "base64url", omitPadding: true })
    }`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
