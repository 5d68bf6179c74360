/** Whether the host is a router of IPv6, and making it one. On the way of a cached start: no imports. */
import { ifThere } from "../../linux/exists.ts";

const CONF = "/proc/sys/net/ipv6/conf";

/** What decides whether pods can have IPv6 beside IPv4, with the values that let them. */
export const IPV6_FILES = [
  [`${CONF}/default/disable_ipv6`, "0"],
  [`${CONF}/all/forwarding`, "1"],
] as const;

/** Whether new links of the host have IPv6, and it is a router of IPv6 or could be made one. */
export function canForwardIpv6(): boolean {
  const [[disabled, no]] = IPV6_FILES;
  try {
    if (Deno.readTextFileSync(disabled).trim() !== no) return false;
    forwardIpv6();
    return true;
  } catch {
    return false; // no IPv6, or /proc/sys is read-only: pods have IPv4
  }
}

/**
 * Makes the host a router of IPv6. A router takes no routes from others, unless it is told to: so that the host does not lose
 * those that it has, links go on taking them that have so far (`accept_ra`, Documentation/networking/ip-sysctl.rst).
 */
export function forwardIpv6(): void {
  const [, [forwarding, yes]] = IPV6_FILES;
  if (Deno.readTextFileSync(forwarding).trim() === yes) return;
  for (const { name } of Deno.readDirSync(CONF)) {
    const value = (setting: string) => readSetting(`${CONF}/${name}/${setting}`);
    // `all` has no effect on links.
    if (name === "all" || value("accept_ra") !== "1" || value("forwarding") !== "0") continue;
    Deno.writeTextFileSync(`${CONF}/${name}/accept_ra`, "2");
  }
  Deno.writeTextFileSync(forwarding, yes);
}

/** A setting of a link; undefined where the link has just gone. */
function readSetting(path: string): string | undefined {
  return ifThere(() => Deno.readTextFileSync(path).trim());
}
