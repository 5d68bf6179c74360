import assert from "node:assert/strict";
import { commandLine, sampleSpecifiers } from "./unit_words.ts";

Deno.test("words reach the program as they stand: the rules of systemd.service(5)", () => {
  for (
    const [word, line] of [
      ["plain-word_1.2:3,4/5@6+7=8", "plain-word_1.2:3,4/5@6+7=8"],
      ["", '""'],
      ["two words", '"two words"'],
      ["100%", "100%%"],
      ["$HOME ${HOME} $$", '"$$HOME $${HOME} $$$$"'],
      ['"', '"\\""'],
      ["'", '"\'"'],
      ["\\n", '"\\\\n"'],
      ["a\nb\tc\x7f", '"a\\x0ab\\x09c\\x7f"'],
      [";", '";"'],
      ["Übung", '"Übung"'],
    ] as const
  ) assert.equal(commandLine([word], false), line);
});

Deno.test("in a template specifiers keep their meaning, and in no other unit but where rkt writes them", () => {
  assert.equal(commandLine(["--pod-name=%i"], true), "--pod-name=%i");
  assert.equal(commandLine(["%i", { raw: "%t/x" }], false), "%%i %t/x");
});

Deno.test("a template's words are checked with values for their specifiers, and what is made of them has the specifiers again", () => {
  const words = ["--port=http:%i", "--pod-name=web-%i-10", "--dir=%S/rkt", "100%%", "%i%j1", "13"];
  const { words: sampled, restore } = sampleSpecifiers(words);
  assert.deepEqual(sampled, [
    ...["--port=http:12", "--pod-name=web-12-10", "--dir=/14/rkt", "100%", "12151", "13"],
  ]);
  assert.deepEqual(sampled.map(restore), words);
  assert.equal(sampleSpecifiers(["--net=none"]).restore("as it was"), "as it was");
});
