import assert from "node:assert/strict";
import { etcFiles, filledAddress } from "./etc_files.ts";
import { parseResolvConf } from "./host/host_names.ts";

const NETWORK = { nameservers: ["10.0.0.1"], search: ["a"], options: [] };
const HOST = { nameservers: ["192.0.2.1"], search: ["h"], options: ["edns0"] };
const hosts = { kind: "default" } as const;
const hostname = "web";

Deno.test("etcFiles() takes resolv.conf from the flags, else the networks, else the host", () => {
  const custom = {
    kind: "custom",
    servers: ["1.1.1.1"],
    search: ["x", "y"],
    options: ["o"],
    domain: "d",
  } as const;
  const text = (text: string, implicit?: true) => ({
    kind: "text",
    text,
    ...implicit && { implicit },
  });
  const host = () => HOST;
  const of = (
    dns: Parameters<typeof etcFiles>[0]["dns"],
    around: Omit<Parameters<typeof etcFiles>[1], "hostname"> = {},
  ) => etcFiles({ dns, hosts }, { hostname, ...around }).resolvConf;
  const all = { network: NETWORK, host };
  assert.deepEqual(of(custom, all), text("search x y\nnameserver 1.1.1.1\noptions o\ndomain d\n"));
  assert.deepEqual(of({ kind: "default" }, all), text("search a\nnameserver 10.0.0.1\n"));
  const ofHost = "search h\nnameserver 192.0.2.1\noptions edns0\n";
  assert.deepEqual(of({ kind: "default" }, { host }), text(ofHost, true));
  assert.deepEqual(of({ kind: "default" }, { host: () => undefined }), undefined);
  assert.deepEqual(of({ kind: "none" }, all), undefined);
  assert.deepEqual(of({ kind: "default" }), undefined);
  assert.deepEqual(of({ kind: "host" }, all), { kind: "host" });
  // Flags about names that name no server leave that to the others.
  const search = { ...custom, servers: [], options: [], domain: undefined };
  assert.deepEqual(of(search, { host }), text("search x y\nnameserver 192.0.2.1\noptions edns0\n"));
  assert.deepEqual(of(search), text("search x y\n"));
});

Deno.test("etcFiles() has the pod's own name in /etc/hosts", () => {
  const of = (kind: Parameters<typeof etcFiles>[0]["hosts"], address?: string) =>
    etcFiles({ dns: { kind: "default" }, hosts: kind }, { hostname, address }).hosts;
  const stub = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  assert.deepEqual(of({ kind: "default" }), {
    kind: "text",
    text: `${stub}127.0.1.1\tweb\n`,
    implicit: true,
  });
  const entries = [{ address: "192.0.2.7", names: ["one", "two"] }];
  assert.deepEqual(of({ kind: "entries", entries }, filledAddress("10.1.0.2")), {
    kind: "text",
    text: `${stub}10.1.0.2       \tweb\n192.0.2.7\tone two\n`,
  });
  assert.deepEqual(of({ kind: "host" }), { kind: "host" });
});

Deno.test("parseResolvConf() leaves out what a pod can't reach", () => {
  const text = `
# a comment
domain old.example
search a.example b.example
nameserver 127.0.0.53
nameserver ::1
nameserver fe80::1%eth0
nameserver nonsense
nameserver 192.0.2.53
  nameserver 2001:db8::53
options edns0 trust-ad
options timeout:1`;
  assert.deepEqual(parseResolvConf(text, true), {
    nameservers: ["192.0.2.53", "2001:db8::53"],
    search: ["a.example", "b.example"],
    options: ["edns0", "trust-ad", "timeout:1"],
  });
  assert.deepEqual(parseResolvConf(text, false).nameservers, ["127.0.0.53", "::1", "192.0.2.53"]);
});
