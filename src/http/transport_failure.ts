import { Failure } from "../failure.ts";

/** A request got no answer, or an answer broke off. */
export class TransportFailure extends Failure {
  /**
   * @param message one line that names the host or URL
   * @param retryable whether the same request may do better a moment later
   */
  constructor(message: string, readonly retryable: boolean, options?: ErrorOptions) {
    super(message, 254, options);
  }
}

/** What the HTTP library says, by pattern, and what that means to a person. */
const REASONS: readonly (readonly [RegExp, string, retryable?: true])[] = [
  [
    /CaUsedAsEndEntity/,
    "its certificate is that of an authority (CA:TRUE), which rkt takes from no server; " +
    "sign one for the server by it, and keep the authority's in --ca-file",
  ],
  [
    /UnknownIssuer|UNABLE_TO|self.signed/i,
    "its certificate is not signed by an authority that this host trusts; --ca-file adds one",
  ],
  [/NotValidForName|not valid for name/i, "its certificate is for another name"],
  [/certificate.*expired|invalid peer certificate: Expired/i, "its certificate has expired"],
  [/NotValidYet/, "its certificate is not valid yet; is this host's clock right?"],
  [/invalid peer certificate: (.*)/, "its certificate is refused"],
  [
    /InvalidContentType|wrong version number|corrupt message/i,
    "it does not speak TLS there; --insecure-options=http allows a server without",
  ],
  [/Name or service not known|No address associated|nodename nor servname/, "no such host"],
  [/Temporary failure in name resolution/, "the name could not be resolved just now", true],
  [/Connection refused/i, "connection refused"],
  [/No route to host|Network is unreachable/i, "not reachable"],
  [/TimedOut|timed out|timeout/i, "no answer in time"],
];

/** Makes one line of what the HTTP library threw. */
export function transportFailure(url: string, error: unknown): TransportFailure {
  if (error instanceof TransportFailure) return error;
  const text = causes(error);
  const known = REASONS.find(([pattern]) => pattern.test(text));
  const place = URL.canParse(url) ? new URL(url).origin : url;
  if (known !== undefined) {
    return new TransportFailure(`${place}: ${known[1]}`, known[2] === true, { cause: error });
  }
  const detail = text.split(": ").at(-1)?.slice(0, 120) ?? text;
  return new TransportFailure(`${place}: connection lost (${detail})`, true, { cause: error });
}

function causes(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message.replace(/\s+/g, " ");
  return error.cause === undefined ? own : `${own}: ${causes(error.cause)}`;
}
