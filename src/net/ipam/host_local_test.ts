import assert from "node:assert/strict";
import type { JsonObject } from "../../appc/json_value.ts";
import { ipText, parseIp } from "../model/address.ts";
import { allocateHostLocal, releaseHostLocal } from "./host_local.ts";

const attachment = (containerId: string) => ({ containerId, netns: "", ifName: "eth0", args: "" });

/** Runs a test with a function that takes addresses out of ranges in a directory of its own. */
function withPool(
  ipam: JsonObject,
  test: (take: (id: string, ...asked: string[]) => string[], directory: string) => void,
): () => void {
  return () => {
    const dataDir = Deno.makeTempDirSync({ prefix: "rkt-ipam-" });
    try {
      test((id, ...asked) => {
        const ips = asked.map((text) => parseIp(text) ?? assert.fail(text));
        const conf = { dataDir, ...ipam };
        const taken = allocateHostLocal(conf, "ipam", "net", attachment(id), ips);
        return taken.ips.map(({ address }) => ipText(address.address));
      }, `${dataDir}/net`);
    } finally {
      Deno.removeSync(dataDir, { recursive: true });
    }
  };
}

Deno.test(
  "allocateHostLocal() goes round, past the gateway and what is taken",
  withPool({ subnet: "10.0.0.0/29" }, (take, directory) => {
    assert.deepEqual([take("a"), take("b"), take("c")], [["10.0.0.2"], ["10.0.0.3"], ["10.0.0.4"]]);
    assert.equal(releaseHostLocal(directory, "b"), 1);
    assert.deepEqual([take("d"), take("e"), take("f")], [["10.0.0.5"], ["10.0.0.6"], ["10.0.0.3"]]);
    assert.throws(
      () => take("g"),
      /^Failure: network "net": all addresses of 10\.0\.0\.1-10\.0\.0\.6 /,
    );
  }),
);

Deno.test(
  "allocateHostLocal() writes the files that CNI's plugin writes",
  withPool({ subnet: "10.0.0.0/24" }, (take, directory) => {
    take("the-id");
    assert.equal(Deno.readTextFileSync(`${directory}/10.0.0.2`), "the-id\r\neth0");
    assert.equal(Deno.readTextFileSync(`${directory}/last_reserved_ip.0`), "10.0.0.2");
    assert.equal(releaseHostLocal(directory, "the"), 0);
    assert.equal(releaseHostLocal(directory, "the-id"), 1);
    assert.equal(releaseHostLocal(directory, "the-id"), 0);
  }),
);

Deno.test(
  "allocateHostLocal() gives one address of each set, and what is asked for",
  withPool(
    { ranges: [[{ subnet: "10.0.0.0/24", rangeStart: "10.0.0.9" }], [{ subnet: "fd00::/64" }]] },
    (take) => {
      assert.deepEqual(take("a"), ["10.0.0.9", "fd00::2"]);
      assert.deepEqual(take("b", "10.0.0.77"), ["10.0.0.77", "fd00::3"]);
      assert.throws(() => take("c", "10.0.0.77"), /10\.0\.0\.77 is taken/);
      assert.throws(() => take("c", "10.0.0.5"), /10\.0\.0\.5 is not among the addresses/);
      assert.deepEqual(take("c"), ["10.0.0.10", "fd00::4"]);
    },
  ),
);

/** The addresses that are taken in a directory. */
const addressesIn = (directory: string): readonly string[] =>
  [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => parseIp(name)).sort();

Deno.test(
  "allocateHostLocal() gives back what it took where one of several sets has nothing left",
  withPool({
    ranges: [
      [{ subnet: "10.0.0.0/24" }],
      [{ subnet: "10.0.1.0/30", rangeStart: "10.0.1.2", rangeEnd: "10.0.1.2" }],
    ],
  }, (take, dir) => {
    take("a");
    const before = addressesIn(dir);
    assert.deepEqual(before, ["10.0.0.2", "10.0.1.2"]);
    assert.throws(() => take("b"), /all addresses of 10\.0\.1\.2-10\.0\.1\.2/);
    assert.deepEqual(addressesIn(dir), before);
  }),
);

const WRONG: readonly (readonly [JsonObject, string])[] = [
  [{}, "ipam.subnet: is missing, and there are no ranges"],
  [{ subnet: "10.0.0.1/24" }, "ipam.subnet: 10.0.0.1/24 is not a network; it is in 10.0.0.0/24"],
  [
    { subnet: "10.0.0.0/24", rangeStart: "10.0.1.1" },
    "ipam.rangeStart: 10.0.1.1 is not in 10.0.0.0/24",
  ],
  [
    { subnet: "10.0.0.0/24", rangeStart: "10.0.0.9", rangeEnd: "10.0.0.8" },
    "ipam.rangeEnd: 10.0.0.8 is before 10.0.0.9",
  ],
  [{ ranges: [[]] }, "ipam.ranges[0]: there is no range"],
  [
    { ranges: [[{ subnet: "10.0.0.0/24" }, { subnet: "fd00::/64" }]] },
    "ipam.ranges[0]: mixes IPv4 and IPv6; they need a set each",
  ],
  [
    { subnet: "10.0.0.0/24", ranges: [[{ subnet: "10.0.0.0/25" }]] },
    "ipam: the ranges 10.0.0.1-10.0.0.254 and 10.0.0.1-10.0.0.126 overlap",
  ],
  [
    { subnet: "10.0.0.0/24", routes: [{ dst: "::/0", gw: "10.0.0.1" }] },
    "ipam.routes[0].gw: 10.0.0.1 is no gateway for ::/0",
  ],
];

for (const [conf, said] of WRONG) {
  Deno.test(
    `allocateHostLocal() refuses: ${said}`,
    withPool(conf, (take) => {
      assert.throws(() => take("a"), (error) => error instanceof Error && error.message === said);
    }),
  );
}
