import { deepStrictEqual, throws } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { resolveSysctls } from "./resolve_sysctls.ts";
import type { LinuxSpec } from "./spec.ts";

const resolved = (name: string, namespaces: LinuxSpec["namespaces"]) =>
  resolveSysctls({ sysctl: { [name]: "1" }, namespaces }, (path) => path === "/host");

Deno.test("sysctls are those of the container's own namespaces", () => {
  deepStrictEqual(resolved("net.ipv4.ip_forward", [{ type: "network" }]), [[
    "net/ipv4/ip_forward",
    "1",
  ]]);
  deepStrictEqual(resolved("kernel.shmmax", [{ type: "ipc", path: "/other" }]), [[
    "kernel/shmmax",
    "1",
  ]]);
  deepStrictEqual(resolved("fs/mqueue/msg_max", [{ type: "ipc" }]).length, 1);
  deepStrictEqual(resolved("kernel.domainname", [{ type: "uts" }]).length, 1);
});

Deno.test("sysctls of the host are refused: of no namespace, of one that is shared, of one that is joined", () => {
  throws(() => resolved("kernel.panic", [{ type: "uts" }]), /in no namespace/);
  throws(() => resolved("vm.swappiness", []), Failure);
  throws(
    () => resolved("net.ipv4.ip_forward", [{ type: "ipc" }]),
    /needs a namespace of the type network/,
  );
  throws(() => resolved("kernel.sem", [{ type: "ipc", path: "/host" }]), /for the host/);
  throws(() => resolved("net/../kernel/panic", [{ type: "network" }]), /no name of a sysctl/);
});
