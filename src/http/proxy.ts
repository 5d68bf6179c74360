/**
 * Which proxy a URL is asked through: by the variables `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`, or their
 * names in capitals, read as curl reads them (curl(1), ENVIRONMENT).
 */
import { TransportFailure } from "./transport_failure.ts";

const variable = (name: string): string | undefined =>
  Deno.env.get(name) || Deno.env.get(name.toUpperCase()) || undefined;

/** The proxy for a URL, without its password; undefined where the server is asked itself. */
export function proxyFor(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  const proxy = variable(`${protocol.slice(0, -1)}_proxy`) ?? variable("all_proxy");
  if (proxy === undefined || isDirect(hostname, variable("no_proxy") ?? "")) return undefined;
  const whole = proxy.includes("://") ? proxy : `http://${proxy}`;
  return URL.canParse(whole) ? new URL(whole).host : "that the environment names";
}

/**
 * Whether `no_proxy` covers a host: by `*`, by its name or a domain above it, with or without dots around, by its address,
 * or by a range of addresses (`10.0.0.0/8`). Entries are separated by commas or spaces; capitals are as good as others.
 *
 * @param hostname as in a URL: an IPv6 address stands in brackets
 */
export function isDirect(hostname: string, noProxy: string): boolean {
  const entries = noProxy.toLowerCase().split(/[\s,]+/).filter((each) => each !== "");
  if (entries.includes("*")) return true;
  const host = hostname.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const address = addressBits(host);
  return entries.some((entry) => {
    if (address !== undefined) return covers(entry.replace(/^\[|\]$/g, ""), address);
    const domain = entry.replace(/^\./, "").replace(/\.$/, "");
    return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
  });
}

/** Whether an entry is this address, or a range that it is in. */
function covers(entry: string, address: string): boolean {
  const [network = "", length] = entry.split("/");
  const bits = addressBits(network);
  if (bits === undefined || bits.length !== address.length) return false;
  if (length === undefined) return bits === address;
  const count = /^\d{1,3}$/.test(length) ? Number(length) : Infinity;
  return count <= bits.length && bits.slice(0, count) === address.slice(0, count);
}

/** The bits of an address, as digits; undefined for what is a name. */
function addressBits(text: string): string | undefined {
  const parts = text.split(".");
  if (parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return parts.map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  }
  if (!text.includes(":") || !URL.canParse(`http://[${text}]`)) return undefined;
  // The URL parser writes it in its shortest form, which has at most one `::`.
  const [before = "", after] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const [head, tail] = [groups(before), groups(after ?? "")];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...zeros, ...tail]
    .map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}

/** What the HTTP library says of proxies, and what that means. */
const REASONS: readonly (readonly [RegExp, string, retryable?: true])[] = [
  [
    /proxy authentication required/,
    "wants a name and a password; https_proxy=http://NAME:PASSWORD@… gives them",
  ],
  [/unsuccessful tunnel/, "refuses to connect there"],
  [/while tunneling/, "closed the connection", true],
  [/Connection refused/i, "can't be reached: connection refused"],
  [/dns error/, "can't be reached: no such host"],
  [/No route to host|Network is unreachable/i, "can't be reached"],
  [/TimedOut|timed out|timeout/i, "gave no answer in time"],
];

/** Names the proxy where it, and not the server, is what failed; undefined where that is not known. */
export function proxyFailure(
  url: string,
  proxy: string,
  error: unknown,
): TransportFailure | undefined {
  const text = messages(error);
  const known = REASONS.find(([pattern]) => pattern.test(text));
  if (known === undefined) return undefined;
  const message = `${new URL(url).origin}: the proxy ${proxy} ${known[1]}`;
  return new TransportFailure(message, known[2] === true, { cause: error });
}

function messages(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.message}: ${error.cause === undefined ? "" : messages(error.cause)}`;
}
