/** What differs from pod to pod gets a name in its place: UUIDs, addresses, links, ranges of users, numbers of the kernel's. */

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const COUNT = 65_536;

/** Fields of `ip -j` and nft that count. */
const COUNTED =
  /"(ifindex|link_index|link_netnsid|address|broadcast|valid_life_time|preferred_life_time)":("[^"]*"|\d+),?/g;

/** The names that one pod's values get. */
export class Names {
  readonly #values = new Map<string, string>();
  /** The first of the pod's own users, where it has them. */
  #shift = NaN;

  /** Learns the pod's addresses from what `ip -j address` prints in it, or from the record of its networks. */
  learnAddresses(text: string): void {
    const found = text.matchAll(/"(?:local|ip6?)":"((?:10|172)\.[\d.]+|fd[0-9a-f:]+)"/g);
    for (const [, address = ""] of found) {
      if (!this.#values.has(address)) this.#values.set(address, `ADDRESS${this.#values.size}`);
    }
  }

  /** Learns the pod's range of users, like `65536:65536`. */
  learnUsers(text: string): void {
    this.#shift = parseInt(text, 10);
  }

  /** An owner's number; one of a pod's own users from the start of its range. */
  owner(id: number): string {
    return id < COUNT ? `${id}` : `SHIFT+${id % COUNT}`;
  }

  /** What is printed about networks. */
  network(text: string): string {
    // The kernel gives these some time after a link came up.
    return text.replaceAll(/,?\{"family":"inet6","local":"fe80[^{}]*\}/g, "")
      .replaceAll(/\{"dst":"fe80[^{}]*\},?/g, "")
      .replaceAll(COUNTED, "").replaceAll(/handle \d+/g, "").replaceAll(
        /"?veth[0-9a-z]+"?/g,
        "VETH",
      )
      .replaceAll(/fe80::[0-9a-f:]+/g, "LL").replaceAll(/"flags":\[[^\]]*\],?/g, "")
      // The kernel finds these out some time after a link came or went.
      .replaceAll(/"(operstate|linkdown|tentative)":[^,}]*,?/g, "");
  }

  /** The text with names for values. */
  replaced(text: string): string {
    let all = text.replaceAll(UUID, "UUID").replaceAll(/\/proc\/\d+\//g, "/proc/PID/")
      // The name of a program of busybox until it has its own.
      .replaceAll("Name:\texe", "Name:\tsleep");
    for (const [value, name] of this.#values) {
      all = all.replaceAll(
        new RegExp(`(?<![\\w.])${value.replaceAll(".", "\\.")}(?![0-9a-f])`, "g"),
        name,
      );
    }
    // In /etc/hosts an address is filled up with spaces.
    all = all.replaceAll(/(ADDRESS\d) +\t/g, "$1\t");
    if (!Number.isNaN(this.#shift)) {
      all = all.replaceAll(/ *\b\d{5,10}\b/g, (number) => {
        const offset = Number(number) - this.#shift;
        return offset >= 0 && offset < COUNT ? ` SHIFT+${offset}` : number;
      });
    }
    return all.replaceAll(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, "MAC");
  }
}
