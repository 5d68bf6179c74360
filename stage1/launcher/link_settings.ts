/** Settings of links that rtnetlink can't change, in a plan; src/net/types/link_sysctls.ts is the same in JavaScript. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { type Address, type Section, type Slot, slot } from "../engine/plan.ts";

/** A kernel without IPv6 has no such directory. */
export const IPV6_SETTINGS = "/proc/sys/net/ipv6/conf";

/** Opens the settings of a network's links; goes on at `without` where there are none. */
export function openSettings(s: Section, path: string, base: Slot, without: string): void {
  s.attempt(`open ${path}`, "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: base, branch: { when: "equal", operand: -ERRNO.ENOENT, to: without } });
}

/** Sets what rtnetlink can't change of a link, and closes the settings. */
export function setForLink(
  s: Section,
  base: Slot,
  link: Address | string,
  name: string,
  value: "0" | "1",
  failed: string,
): void {
  const [directory, file, written] = [
    slot("settings of the link"),
    slot("setting of the link"),
    slot("written"),
  ];
  s.compute("let", [base], { branch: { when: "less", operand: 0, to: failed } });
  s.attempt("open those of the link", "openat", [
    base,
    link,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: directory });
  s.attempt("close those of all", "close", [base]);
  s.set(base, -1);
  s.compute("let", [directory], { branch: { when: "less", operand: 0, to: failed } });
  s.attempt(`open ${name}`, "openat", [directory, name, k.O_WRONLY | k.O_CLOEXEC, 0], {
    store: file,
  });
  s.attempt("close those of the link", "close", [directory]);
  s.compute("let", [file], { branch: { when: "less", operand: 0, to: failed } });
  s.attempt(`set ${name}`, "write", [file, value, 1], { store: written });
  s.attempt("close it", "close", [file]);
  s.compute("let", [written], { branch: { when: "different", operand: 1, to: failed } });
}

/** Sets one of `net.ipv6.conf` of a link; a kernel without IPv6 has none, and needs none. */
export function setIpv6(
  s: Section,
  base: Slot,
  link: Address | string,
  name: string,
  value: "0" | "1",
  failed: string,
) {
  const without = `${base.name}: done`;
  s.when(base, -ERRNO.ENOENT, without);
  setForLink(s, base, link, name, value, failed);
  s.label(without);
}
