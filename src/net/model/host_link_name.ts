import type { Attachment } from "./cni.ts";

/** The link on the host that belongs to an interface of a pod; unique as far as half of a UUID is. */
export function hostLinkName(
  { containerId, ifName }: Pick<Attachment, "containerId" | "ifName">,
): string {
  const number = /\d+$/.exec(ifName)?.[0] ?? "0";
  return `veth${containerId.replaceAll("-", "").slice(0, 11 - number.length)}${number}`;
}
