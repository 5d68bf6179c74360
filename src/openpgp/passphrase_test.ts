import assert from "node:assert/strict";
import { PacketReader, wholeBody } from "./packets.ts";
import { sessionKeyOf } from "./passphrase.ts";

/** The packet with the key of a message that gpg makes, and the key as gpg shows it. */
async function gpgMessage(dir: string, flags: readonly string[]) {
  const gpg = ["--batch", "--homedir", dir, "--pinentry-mode=loopback", "--passphrase=öpen sesame"];
  Deno.writeTextFileSync(`${dir}/plain`, "something");
  const run = async (...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command("gpg", { args: [...gpg, ...args] })
      .output();
    assert(success, new TextDecoder().decode(stderr));
    return { stdout, stderr: new TextDecoder().decode(stderr) };
  };
  const { stdout } = await run(...flags, "--output=-", "--symmetric", `${dir}/plain`);
  Deno.writeFileSync(`${dir}/message`, stdout);
  const { stderr } = await run("--show-session-key", "--output=-", "--decrypt", `${dir}/message`);
  let bytes: Uint8Array | undefined = stdout;
  const packet = await new PacketReader({
    read() {
      const all = bytes;
      bytes = undefined;
      return Promise.resolve(all);
    },
  }, "message").next();
  assert(packet);
  return { body: await wholeBody(packet, 1000), key: /session key: '(.*)'/.exec(stderr)?.[1] };
}

const NUMBERS: Readonly<Record<string, number>> = { aes128: 7, aes192: 8, aes256: 9 };

Deno.test("sessionKeyOf() finds the key that gpg has made of a passphrase", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.chmodSync(dir, 0o700);
    for (const cipher of ["AES", "AES192", "AES256"]) {
      for (const digest of ["SHA1", "SHA256", "SHA512"]) {
        const flags = [
          `--cipher-algo=${cipher}`,
          `--s2k-digest-algo=${digest}`,
          "--s2k-count=70000",
        ];
        const { body, key } = await gpgMessage(dir, flags);
        assert(body);
        const found = sessionKeyOf(body, "öpen sesame");
        assert(found);
        const text = [...found.data].map((b) => b.toString(16).padStart(2, "0")).join("");
        const shown = `${NUMBERS[found.algorithm]}:${text.toUpperCase()}`;
        assert.equal(shown, key, flags.join(" "));
        const other = sessionKeyOf(body, "close sesame");
        assert.notDeepEqual(other?.data, found.data);
      }
    }
  } finally {
    await new Deno.Command("gpgconf", { args: ["--homedir", dir, "--kill", "all"] }).output();
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("sessionKeyOf() takes no packet of another form", () => {
  for (
    const body of [[], [4], [4, 9, 0, 8], [4, 9, 3, 1, ...new Array(9)], [5, 9, 3, 8], [
      4,
      9,
      3,
      8,
      1,
    ]]
  ) {
    assert.equal(sessionKeyOf(Uint8Array.from(body), "x"), undefined, String(body));
  }
});
