import assert from "node:assert/strict";
import { parseMetalink } from "./metalink.ts";

const digest = "ab".repeat(32);
const file = (inside: string) =>
  `<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a">${inside}</file></metalink>`;
const url =
  "<url priority='2'>https://b.example/a.aci</url><url priority='1'>https://a.example/a.aci</url>";

Deno.test("parseMetalink() reads size, mirrors by their priority, and digests of pieces", () => {
  const document = file(
    `<origin dynamic="true"/><size>40000</size>${url}<url>ftp://c.example/x</url>
     <hash type="sha-256">${digest}</hash>
     <pieces length="20000" type="sha-1"><hash>00</hash></pieces>
     <pieces length="20000" type="sha-256"><hash>${digest}</hash> <hash>${digest.toUpperCase()}</hash></pieces>`,
  );
  assert.deepEqual(parseMetalink(document, "x"), {
    urls: ["https://a.example/a.aci", "https://b.example/a.aci"],
    size: 40_000,
    pieces: { length: 20_000, algorithm: "SHA-256", digests: [digest, digest] },
  });
});

const pieces = (length: number, count: number, text = digest) =>
  `<pieces length="${length}" type="sha-256">${`<hash>${text}</hash>`.repeat(count)}</pieces>`;

for (
  const [document, why] of [
    ["", /there is no file/],
    ["<metalink></metalink>", /there is no file/],
    [file("") + file(""), /several files/],
    [file(url), /how large/],
    [file(`<size>-1</size>${url}`), /how large/],
    [file("<size>5</size>"), /no https or http URL/],
    [file("<size>5</size><url>file:///etc/shadow</url>"), /no https or http URL/],
    [file(`<size>40000</size>${url}${pieces(20_000, 1)}`), /not those of the whole file/],
    [file(`<size>40000</size>${url}${pieces(20_000, 2, "zz")}`), /not those of the whole file/],
    [file(`<size>40000</size>${url}${pieces(10, 4000)}`), /pieces have 10 bytes/],
    [file(`<size>40000</size>${url}${pieces(1e9, 1)}`), /pieces have 1000000000 bytes/],
  ] as const
) {
  Deno.test(`parseMetalink() refuses ${document.slice(95, 170)}`, () => {
    assert.throws(() => parseMetalink(document, "x"), { message: why });
  });
}
