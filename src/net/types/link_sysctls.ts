/** Settings of links that rtnetlink can't change. On the way of a cached start: no imports. */

/** Sets one of `net.ipv6.conf.LINK`; a kernel without IPv6 has none, and needs none. */
function setIpv6(link: string, name: string, value: "0" | "1"): void {
  try {
    Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${link}/${name}`, value, { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Chooses whether the host has IPv6 on a link. Where it has, no router on it tells the host its routes. */
export function allowIpv6(link: string, allowed: boolean): void {
  if (allowed) setIpv6(link, "accept_ra", "0");
  setIpv6(link, "disable_ipv6", allowed ? "0" : "1");
}

/** Takes no routes and addresses from others on a link, or on links that are still to be made: `default`. */
export function ignoreRouters(link: string): void {
  setIpv6(link, "accept_ra", "0");
}
