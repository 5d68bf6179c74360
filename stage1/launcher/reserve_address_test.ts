import assert from "node:assert/strict";
import { allocateHostLocal } from "../../src/net/ipam/host_local.ts";
import { prefixText } from "../../src/net/model/address.ts";
import { runInProcess } from "../engine/in_process.ts";
import { addressOf, Section, slot, struct } from "../engine/plan.ts";
import { NET_INFO } from "./reservations.ts";
import { reserveAddress, reservedSlots } from "./reserve_address.ts";

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
const NETWORK = "10.1.0.";

/** A range of addresses, and what is in its directory before. */
interface Pool {
  readonly first: number;
  readonly last: number;
  readonly gateway: number;
  readonly taken: readonly number[];
  readonly note?: string;
}

/** What is there afterwards: each file with its mode and content. */
type Files = Readonly<Record<string, string>>;

function filesOf(directory: string): Files {
  return Object.fromEntries(
    [...Deno.readDirSync(directory)].map(({ name }) => {
      const path = `${directory}/${name}`;
      const mode = (Deno.statSync(path).mode ?? 0) & 0o777;
      return [name, `${mode.toString(8)} ${Deno.readTextFileSync(path)}`] as const;
    }).filter(([name]) => name !== "lock").sort(),
  );
}

/** Lets somebody reserve an address in a directory of the pool; undefined where it was refused. */
function reserved(pool: Pool, reserve: (base: string) => boolean): Files | undefined {
  const base = Deno.makeTempDirSync({ prefix: "rkt-reserve-" });
  try {
    const directory = `${base}/net`;
    Deno.mkdirSync(directory);
    Deno.mkdirSync(`${base}/pod`);
    const write = (name: string, text: string) =>
      Deno.writeTextFileSync(`${directory}/${name}`, text, { mode: 0o600 });
    for (const each of pool.taken) write(NETWORK + each, "other\r\neth0");
    if (pool.note !== undefined) write("last_reserved_ip.0", pool.note);
    return reserve(base) ? filesOf(directory) : undefined;
  } finally {
    Deno.removeSync(base, { recursive: true });
  }
}

/** As a first start does it. */
const byRkt = ({ first, last, gateway }: Pool) => (base: string): boolean => {
  const ipam = {
    ...{ dataDir: base, subnet: `${NETWORK}0/24`, gateway: NETWORK + gateway },
    ...{ rangeStart: NETWORK + first, rangeEnd: NETWORK + last },
  };
  const pod = { containerId: UUID, netns: "", ifName: "eth0", args: "" };
  try {
    const { ips } = allocateHostLocal(ipam, "ipam", "net", pod, []);
    assert.match(ips.map(({ address }) => prefixText(address)).join(), /^10\.1\.0\.\d+\/24$/);
    return true;
  } catch (error) {
    assert.match(`${error}`, /all addresses of .* are taken/);
    return false;
  }
};

/** As the launcher does it. */
const byPlan = ({ first, last, gateway }: Pool) => (base: string): boolean => {
  const number = (each: number) => 0x0a010000 + each;
  const [s, done, fd, slots] = [new Section(), slot("done"), slot("pod"), reservedSlots()];
  s.set(done, 0);
  for (const each of [slots.recorded, slots.reserved]) s.set(each, 0);
  s.set(slots.reservations, -1);
  s.attempt("open the pod", "openat", [-100, `${base}/pod`, 0, 0], { store: fd });
  reserveAddress(s, {
    range: {
      directory: `${base}/net`,
      first: number(first),
      last: number(last),
      gateway: number(gateway),
    },
    info: ['{"ip":"', '","ips":["', '/24"]}\n'],
    record: `${base}/record`,
    uuid: addressOf(struct("uuid", ["text", 36, new TextEncoder().encode(UUID)])),
    directory: fd,
    failed: "failed",
  }, slots);
  s.set(done, 1);
  s.label("failed");
  for (const each of [slots.reservations, fd]) s.attempt("close it", "close", [each]);
  s.compute("return", []);
  const made = runInProcess({ setup: s.items, resident: [] })(done) === 1n;
  if (made) {
    const { ip, ips } = JSON.parse(Deno.readTextFileSync(`${base}/pod/${NET_INFO.name}`));
    assert.deepEqual(ips, [`${ip}/24`]);
    assert.match(Deno.readTextFileSync(`${base}/net/${ip}`), new RegExp(`^${UUID}`));
  }
  return made;
};

/** Notes that say nothing: each is as if there were none. N is a number of the range. */
const NOTHING = ["", "10.1.0", "10.0.256.N", "10.1..N", "10.1.0.0N", "10.1.0.N\n", "x", "10.1.0.-N"]
  .concat(["fd00::N", "1.2.3.N", "10.1.0.N.5", ".10.1.0.N", "10.1.0.N.", "110.1.0.N"]);

Deno.test("a repeated start reserves the address that a first one would, in the same files", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  let full = 0;
  for (let round = 0; round < 300; round++) {
    const first = 1 + random(240), last = first + random(8);
    const near = `${first - 1 + random(last - first + 3)}`;
    const notes = [NETWORK + near, NOTHING[random(NOTHING.length)]?.replace("N", near)];
    const note = round % 3 === 0 ? undefined : notes[round % 2];
    const pool = {
      ...{ first, last, gateway: random(3) === 0 ? 250 : first + random(last - first + 1) },
      taken: Array.from({ length: last - first + 1 }, (_, i) => first + i)
        .filter(() => random(round % 5) > 0),
      ...note !== undefined && { note },
    };
    const wanted = reserved(pool, byRkt(pool));
    if (wanted === undefined) full++;
    const what = `seed ${seed}, round ${round}: ${JSON.stringify(pool)}`;
    assert.deepEqual(reserved(pool, byPlan(pool)), wanted, what);
  }
  assert.ok(full > 3 && full < 297, `${full} of 300 pools were full`);
});
