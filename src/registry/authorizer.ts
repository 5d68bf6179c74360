/** What one registry gets to see of who asks: nothing, a user and password, or a token. */
import { Failure } from "../failure.ts";
import { quoted } from "../oci/quoted.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import {
  type CredentialPlaces,
  type Credentials,
  findCredentials,
  loginHint,
} from "./credentials.ts";
import { type AskServer, basicHeader, getToken, type Token } from "./token.ts";

/** Whom the credentials are for, and how tokens are got. */
export interface AuthorizerOptions {
  /** `HOST[:PORT]`. */
  readonly host: string;
  readonly credentials: CredentialPlaces;
  /** Whether the registry itself is spoken with by plain http, and its token server may be. */
  readonly allowHttp: boolean;
  readonly ask: AskServer;
}

/** Answers a registry's challenges, and remembers the answers as long as they count. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  /** `Authorization` headers, by repository and actions. */
  readonly #headers = new Map<string, { readonly header: string; readonly expires: number }>();
  /** What is being asked for now: layers are fetched side by side. */
  readonly #underWay = new Map<string, Promise<string>>();
  readonly #found = new Map<string, Promise<Credentials | undefined>>();
  #source = "";

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The header that was good before; `undefined` where there is none. */
  known(repository: string, actions: string): string | undefined {
    const known = this.#headers.get(`${repository} ${actions}`);
    return known !== undefined && known.expires > Date.now() ? known.header : undefined;
  }

  /** Forgets a header that is good no more. */
  forget(repository: string, actions: string): void {
    this.#headers.delete(`${repository} ${actions}`);
  }

  /**
   * The header that answers a challenge.
   *
   * @param challenge `WWW-Authenticate`
   * @param refused the header that was sent with what was answered so
   * @throws {Failure} there is no password, or it must not be shown
   */
  answer(
    challenge: string,
    repository: string,
    actions: string,
    refused: string | undefined,
  ): Promise<string> {
    const key = `${repository} ${actions}`;
    const known = this.known(repository, actions);
    // Another request got one meanwhile.
    if (known !== undefined && known !== refused) return Promise.resolve(known);
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    this.#headers.delete(key);
    const answer = this.#answer(challenge, repository, actions)
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, answer);
    return answer;
  }

  async #answer(header: string, repository: string, actions: string): Promise<string> {
    const { host } = this.#options;
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const isBasic = challenges.some(({ scheme }) => scheme === "basic");
    if (bearer === undefined && !isBasic) {
      throw new Failure(`${host}: refuses access, and asks for no password that rkt could show`);
    }
    const credentials = await this.#credentials(repository);
    const secret = credentials?.secret;
    this.#source = credentials?.from ?? "";
    const remember = (header: string, expires: number): string => {
      this.#headers.set(`${repository} ${actions}`, { header, expires });
      return header;
    };
    if (secret?.kind === "registry token") return remember(`Bearer ${secret.token}`, Infinity);
    if (bearer !== undefined) {
      const { token, expires } = await this.#token(bearer, repository, actions, credentials);
      return remember(`Bearer ${token}`, expires);
    }
    if (secret?.kind !== "password") {
      throw new Failure(`${host}: asks for a user and password; ${loginHint(host)} keeps one`);
    }
    return remember(basicHeader(secret.user, secret.password), Infinity);
  }

  async #token(
    { parameters }: Challenge,
    repository: string,
    actions: string,
    credentials: Credentials | undefined,
  ): Promise<Token> {
    const { host, allowHttp, ask } = this.#options;
    const realm = parameters.get("realm") ?? "";
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "") {
      throw new Failure(
        `${host}: asks for a token of ${quoted(realm.slice(0, 100))}, which is no URL`,
      );
    }
    if (url.protocol === "http:" && !allowHttp) {
      throw new Failure(
        `${host}: wants a token to be got from ${url.origin}, which is not encrypted`,
      );
    }
    const scope = parameters.get("scope") ?? "";
    // Who logs in wants nothing of any repository.
    const own = repository === "" ? "" : `repository:${repository}:${actions}`;
    const request = {
      realm: url,
      service: parameters.get("service") ?? "",
      scope: scope === "" ? own : scope,
    };
    const secret = credentials?.secret;
    const shown = secret?.kind === "registry token" ? undefined : secret;
    return await getToken(request, shown, credentials?.from ?? "", ask);
  }

  #credentials(repository: string): Promise<Credentials | undefined> {
    const { host, credentials } = this.#options;
    const found = this.#found.get(repository) ?? findCredentials(host, repository, credentials);
    this.#found.set(repository, found);
    return found;
  }

  /** Says that access was refused although everything was shown. */
  refusal(repository: string, said: string): string {
    const { host } = this.#options;
    if (repository === "") return `${host}: refuses the user or password: ${said}`;
    return this.#source === ""
      ? `${host}: no access to ${repository}: ${said}; it does not exist, or ${
        loginHint(host)
      } is needed`
      : `${host}: no access to ${repository} with the password of ${this.#source}: ${said}`;
  }
}
