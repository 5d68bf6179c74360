/** What images say, in all commands that show it: no terminal obeys it, and no line of it looks like one of rkt's. */
import assert from "node:assert/strict";
import { printableText } from "../../src/linux/printable.ts";
import { only } from "../world/nth.ts";
import { podUuid, World } from "../world/pod_world.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/**
 * Titles, colours and C1; another direction, and what has no width; a forged line. Each is replaced by as many lines of nothing
 * in the other image.
 */
const ATTACKS: Readonly<Record<string, string>> = {
  controls: "\x1b]0;title\x07" + "\x1b[2J\x1b[31m" + "\x9b31m\x9d0;x\x9c",
  invisible: "\u202egnp.exe\u2066" + "\x7f\x08\x08\u{e0041}\ufeff",
  lines: "x\nverdict: trusted\r\n\u2028x\x0bx\x0c",
};

/** A manifest with a text in every field that takes any text. */
function fields(text: string) {
  const path = `/srv/${text}`;
  return {
    app: {
      exec: ["/bin/sh", "-c", text],
      environment: [{ name: "V", value: text }],
      workingDirectory: path,
      eventHandlers: [{ name: "pre-start", exec: [`/bin/${text}`, text] }],
      mountPoints: [{ name: "data", path }],
      userAnnotations: { note: text },
      userLabels: { label: text },
      isolators: [{ name: "example.com/own", value: { note: text } }],
    },
    fields: {
      labels: [
        { name: "os", value: "linux" },
        { name: "arch", value: "amd64" },
        { name: "note", value: text },
        { name: "version", value: text },
      ],
      annotations: [{ name: "note", value: text }, { name: "authors", value: text }],
      pathWhitelist: [],
    },
  };
}

/** Commands about an image and a pod. */
const commands = (image: string, id: string, uuid: string): readonly string[][] => [
  ...["text", "json", "json-pretty"].flatMap((format) => {
    const as = format === "text" ? [] : [`--format=${format}`];
    return [
      ["image", "list", "--full", ...as],
      ["image", "inspect", ...as, id],
      ["image", "inspect", ...as, image],
      ["image", "inspect", "--security", ...as, id],
      ["image", "trust-status", ...as, id],
      ["list", "--full", ...as],
      ["status", ...as, uuid],
      ["app", "list", ...as, uuid],
      ["app", "status", "--app=hostile", ...as, uuid],
    ];
  }),
  ["image", "cat-manifest", id],
  ["image", "cat-manifest", "--pretty-print", image],
  ["image", "verify", id],
  ["cat-manifest", uuid],
  ["cat-manifest", "--pretty-print", uuid],
  ["run", "--dry-run", "--net=none", "--insecure-options=image", id],
  ["run", "--dry-run", "--net=none", "--insecure-options=image", image],
  ["unit", "--net=none", id],
  ["fetch", image],
  ["run", "--net=none", "--insecure-options=image", id],
  ["image", "rm", `${id}0`],
];

/** What all commands print about a world's only image of a text, and how many lines that is. */
async function outputs(text: string) {
  const own = await World.make();
  try {
    const { app, fields: others } = fields(text);
    const image = await own.image("hostile", app, others);
    const fetched = await own.rkt("--insecure-options=image", "fetch", "--full", image);
    assert.equal(fetched.code, 0, fetched.stderr);
    const id = fetched.stdout.trim();
    const prepared = await own.rkt("prepare", "--quiet", "--insecure-options=image", id);
    const pod = prepared.code === 0 ? podUuid(only(own.pods())) : "00000000";
    const found = [];
    for (const words of commands(image, id, pod)) {
      const { stdout, stderr } = await own.rkt(...words);
      found.push({ words: words.join(" "), text: stdout + stderr });
    }
    return [{ words: "prepare", text: prepared.stderr }, ...found];
  } finally {
    await own[Symbol.asyncDispose]();
  }
}

Deno.test("no command shows what a terminal obeys, or more lines than of a harmless image", async () => {
  const harmless = await outputs("xxxxxxxx");
  for (const [name, attack] of Object.entries(ATTACKS)) {
    for (const [i, { words, text }] of (await outputs(attack)).entries()) {
      assert.equal(text, printableText(text), `${name}: ${words}`);
      const lines = (of: string | undefined) => (of ?? "").split("\n").length;
      assert.equal(lines(text), lines(harmless[i]?.text), `${name}: ${words}: ${text}`);
    }
  }
});
