/** Tokens of a registry's authorization server (distribution, "Token Authentication Specification" and "OAuth2"). */
import { AppcError } from "../appc/error.ts";
import { parseJsonObject } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { RKT_VERSION } from "../version.ts";
import { type Answer, errorText } from "./answer.ts";
import type { Secret } from "./auth_file.ts";

/** What a registry asks for. */
export interface TokenRequest {
  /** The authorization server. */
  readonly realm: URL;
  readonly service: string;
  /** `repository:NAME:pull`; several are separated by spaces. */
  readonly scope: string;
}

/** A token, and until when it may be used. Milliseconds since 1970. */
export interface Token {
  readonly token: string;
  readonly expires: number;
}

/** Sends one request to the authorization server, without credentials of its own. */
export type AskServer = (
  url: URL,
  request: { readonly headers: Record<string, string>; readonly form?: URLSearchParams },
) => Promise<Answer>;

/** Seconds for which a token counts where its server says nothing; it may say no less. */
const DEFAULT_LIFE = 60;

/** Renewed so long before its end, because it travels. Milliseconds. */
const MARGIN = 5000;

const MAX_ANSWER = 1 << 20;

/** `Basic` credentials. */
export function basicHeader(user: string, password: string): string {
  return `Basic ${new TextEncoder().encode(`${user}:${password}`).toBase64()}`;
}

/**
 * Gets a token; without a secret, the one that anybody gets.
 *
 * @param whose where the secret was found, for messages
 * @throws {Failure} that names the server, and has nothing of the secret
 */
export async function getToken(
  request: TokenRequest,
  secret: Exclude<Secret, { kind: "registry token" }> | undefined,
  whose: string,
  ask: AskServer,
): Promise<Token> {
  const { realm } = request;
  if (secret?.kind === "identity token") {
    const answer = await ask(realm, { headers: {}, form: refreshForm(request, secret.token) });
    // Servers without OAuth 2 take the token as a password.
    if (answer.status !== 404 && answer.status !== 405) {
      return await readToken(answer, realm, whose);
    }
    answer.cancel();
  }
  const url = new URL(realm);
  if (request.service !== "") url.searchParams.append("service", request.service);
  for (const scope of request.scope.split(" ").filter((each) => each !== "")) {
    url.searchParams.append("scope", scope);
  }
  if (secret?.kind === "password") url.searchParams.append("account", secret.user);
  const answer = await ask(url, { headers: basic(secret) });
  return await readToken(answer, realm, whose);
}

function basic(secret: Exclude<Secret, { kind: "registry token" }> | undefined) {
  const headers: Record<string, string> = {};
  if (secret?.kind === "password") {
    headers.authorization = basicHeader(secret.user, secret.password);
  } else if (secret !== undefined) headers.authorization = basicHeader("<token>", secret.token);
  return headers;
}

function refreshForm({ service, scope }: TokenRequest, token: string): URLSearchParams {
  return new URLSearchParams({
    grant_type: "refresh_token",
    service,
    scope,
    client_id: `rkt/${RKT_VERSION}`,
    refresh_token: token,
  });
}

async function readToken(answer: Answer, realm: URL, whose: string): Promise<Token> {
  const server = realm.origin;
  if (answer.status === 401 || answer.status === 403) {
    const text = await errorText(answer);
    throw new Failure(
      whose === ""
        ? `${server}: gives no token to somebody without a password: ${text}`
        : `${server}: refuses the user or password of ${whose}: ${text}`,
    );
  }
  if (answer.status !== 200) {
    throw new Failure(`${server}: gives no token: ${await errorText(answer)}`);
  }
  const bytes = await answer.bytes(MAX_ANSWER);
  try {
    const json = parseJsonObject(new TextDecoder().decode(bytes));
    const token = [json.token, json.access_token].find((each) =>
      typeof each === "string" && each !== ""
    );
    // It goes into a header.
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw new AppcError("token", "is missing or not printable");
    }
    const life = typeof json.expires_in === "number" ? json.expires_in : 0;
    const seconds = Math.min(Math.max(life, DEFAULT_LIFE), 86_400);
    return { token, expires: Date.now() + seconds * 1000 - MARGIN };
  } catch (error) {
    // The reason may quote the answer, which is a secret.
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${server}: its answer has no token`);
  }
}
