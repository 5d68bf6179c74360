import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { parseAddresses } from "./address.ts";
import { Connection, MethodError } from "./connection.ts";
import { Peer } from "./testing/peer.ts";
import { ServiceManager } from "./service_manager.ts";
import { isList, isVariant } from "./value.ts";

/** A real bus, as the user whose process this is. */
async function daemon(): Promise<AsyncDisposable & { readonly address: string }> {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-bus-" });
  const config = `${directory}/config`;
  Deno.writeTextFileSync(
    config,
    `<busconfig><type>session</type><listen>unix:path=${directory}/bus</listen>` +
      '<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>',
  );
  const child = new Deno.Command("dbus-daemon", {
    args: [`--config-file=${config}`, "--nofork", "--print-address"],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    address: new TextDecoder().decode(value).trim(),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

const BUS = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

Deno.test("a real bus lets this user in, answers, says errors, and sends signals", async () => {
  await using bus = await daemon();
  const [address] = parseAddresses(bus.address);
  assert.ok(address);
  using connection = await Connection.open(address);
  const who = { signature: "s", values: ["org.freedesktop.DBus"] };
  const [credentials] = await connection.call({
    ...BUS,
    member: "GetConnectionCredentials",
    ...who,
  });
  assert.ok(credentials !== undefined && isList(credentials));
  const user = credentials.find((pair) => isList(pair) && pair[0] === "UnixUserID");
  const uid = user !== undefined && isList(user) ? user[1] : undefined;
  assert.ok(uid !== undefined && isVariant(uid));
  assert.equal(uid.value, Deno.uid());
  await assert.rejects(
    connection.call({
      ...BUS,
      member: "GetNameOwner",
      signature: "s",
      values: ["org.example.none"],
    }),
    (error) => error instanceof MethodError && /NameHasNoOwner$/.test(error.error),
  );
  await connection.watch({ interface: BUS.interface, member: "NameOwnerChanged" }, BUS.interface);
  const name = "org.example.rkt";
  await connection.call({ ...BUS, member: "RequestName", signature: "su", values: [name, 0] });
  const [changed] = await connection.nextSignal(([which]) => which === name, 60_000);
  assert.equal(changed, name);
  await assert.rejects(connection.nextSignal(() => false, 50), /no answer within 0\.05 s/);
});

Deno.test("a bus without systemd, and sockets that nobody listens at, are passed over", async () => {
  await using bus = await daemon();
  const addresses = [{ path: "/nothing/here", isBus: false }, ...parseAddresses(bus.address)];
  assert.equal(await ServiceManager.open("system", addresses), undefined);
});

const HOSTILE: ReadonlyArray<readonly [readonly (string | Uint8Array)[], RegExp]> = [
  [["REJECTED ANONYMOUS\r\n"], /does not let this user in: REJECTED/],
  [["\x1b[2J\r\n"], /does not let this user in: \ufffd\[2J$/],
  [["x".repeat(20_000)], /a line without an end/],
  [["OK\r\n", "l\x01\x00\x02aaaabbbbcccc"], /another version/],
  [["OK\r\n", "x\x02\x00\x01aaaabbbbcccc"], /byte order/],
  [["OK\r\n", "l\x02\x00\x01\x7f\x7f\x7f\x7fbbbbcccc"], /bytes, more than/],
  [["OK\r\n", "l\x02\x00\x01\0\0\0\0aaaa\x08\0\0\0\x01\x01u\0\x05"], /no answer within/],
];

for (const [words, message] of HOSTILE) {
  Deno.test(`a peer that says ${JSON.stringify(words).slice(0, 60)}`, async () => {
    await using peer = Peer.saying(...words);
    // A bus is greeted behind the authentication, so an answer is waited for.
    const opened = Connection.open({ path: peer.path, isBus: true }, 2000);
    await assert.rejects(
      opened,
      (error) => error instanceof Failure && message.test(error.message),
    );
  });
}

Deno.test("a peer that says nothing is not waited for", async () => {
  await using peer = Peer.saying();
  await assert.rejects(Connection.open({ path: peer.path, isBus: true }, 50), /no answer within/);
});

Deno.test("addresses", () => {
  assert.deepEqual(
    parseAddresses("tcp:host=a;unix:path=/run/a%2db,guid=1;unix:abstract=/tmp/x;unix:path=rel"),
    [
      { path: "/run/a-b", isBus: true },
      { path: "\0/tmp/x", isBus: true },
    ],
  );
});
