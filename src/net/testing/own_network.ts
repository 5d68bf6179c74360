/** Code of a module in a network of its own, whose settings it may change. */

/**
 * Runs code with a module's exports, and with `of(link, name)`, a setting of IPv6; returns what it prints, as JSON.
 *
 * @param module its URL
 */
export function inOwnNetwork(module: string, exported: readonly string[], code: string): unknown {
  const script = `import { ${exported.join(", ")} } from ${JSON.stringify(module)};
    const of = (link, name) => Deno.readTextFileSync("/proc/sys/net/ipv6/conf/" + link + "/" + name).trim();
    ${code}`;
  const args = ["--net", Deno.execPath(), "eval", "--no-check", script];
  const { stdout, stderr } = new Deno.Command("unshare", { args }).outputSync();
  const text = new TextDecoder();
  return JSON.parse(text.decode(stdout) || JSON.stringify(text.decode(stderr)));
}
