import assert from "node:assert/strict";
import { stillHold } from "./cache/conditions.ts";
import { World } from "./world.ts";

/** A question, what is there when it is asked, what the answer is, and what changes it. */
interface Case {
  readonly what: string;
  readonly before?: (dir: string) => void;
  readonly ask: (world: World, dir: string) => unknown;
  readonly answer: unknown;
  readonly change: (dir: string) => void;
}

const write = (dir: string, text: string) => Deno.writeTextFileSync(`${dir}/x`, text);
const makeDirectory = (dir: string) => Deno.mkdirSync(`${dir}/x`);
/** Another object of the same kind at the same path. */
const exchange = (dir: string) => {
  Deno.mkdirSync(`${dir}/y`);
  Deno.renameSync(`${dir}/y`, `${dir}/x`);
};

const CASES: readonly Case[] = [
  {
    what: "absent() of a path where something is made",
    ask: (world, dir) => world.absent(`${dir}/x`),
    answer: true,
    change: (dir) => write(dir, ""),
  },
  {
    what: "absent() of a path where a dangling link is made",
    ask: (world, dir) => world.absent(`${dir}/x`),
    answer: true,
    change: (dir) => Deno.symlinkSync("none", `${dir}/x`),
  },
  {
    what: "isDirectory() of a directory that becomes a file, by its type",
    before: makeDirectory,
    ask: (world, dir) => world.isDirectory(`${dir}/x`, "type"),
    answer: true,
    change: (dir) => {
      Deno.removeSync(`${dir}/x`);
      write(dir, "");
    },
  },
  {
    what: "isDirectory() of a directory in whose place another one comes, by the object",
    before: makeDirectory,
    ask: (world, dir) => world.isDirectory(`${dir}/x`, "object"),
    answer: true,
    change: exchange,
  },
  {
    what: "isDirectory() of a file that is written to, by its content",
    before: (dir) => write(dir, "a"),
    ask: (world, dir) => world.isDirectory(`${dir}/x`, "content"),
    answer: false,
    change: (dir) => write(dir, "bc"),
  },
  {
    what: "isDirectory() of a directory that others get, by its owner",
    before: makeDirectory,
    ask: (world, dir) => world.isDirectory(`${dir}/x`, "owner"),
    answer: true,
    change: (dir) => Deno.chmodSync(`${dir}/x`, 0o700),
  },
  {
    what: "content() of a file that gets other content of the same length",
    before: (dir) => write(dir, "abc"),
    ask: (world, dir) => new TextDecoder().decode(world.content(`${dir}/x`)),
    answer: "abc",
    change: (dir) => write(dir, "abd"),
  },
  {
    what: "content() of a file to which something is added",
    before: (dir) => write(dir, "abc"),
    ask: (world, dir) => world.content(`${dir}/x`).length,
    answer: 3,
    change: (dir) => write(dir, "abcd"),
  },
  {
    what: "content() of a file that is removed",
    before: (dir) => write(dir, ""),
    ask: (world, dir) => world.content(`${dir}/x`).length,
    answer: 0,
    change: (dir) => Deno.removeSync(`${dir}/x`),
  },
  {
    what: "words() of a file that gets another word",
    before: (dir) => write(dir, " a  b\n"),
    ask: (world, dir) => world.words(`${dir}/x`),
    answer: ["a", "b"],
    change: (dir) => write(dir, " a  c\n"),
  },
  {
    what: "oneOf() of a file that has the second text, and gets the first",
    before: (dir) => write(dir, "two"),
    ask: (world, dir) => world.oneOf(`${dir}/x`, ["one", "two"]),
    answer: 1,
    change: (dir) => write(dir, "one"),
  },
  {
    what: "names() of a directory that gets an entry",
    before: makeDirectory,
    ask: (world, dir) => world.names(`${dir}/x`),
    answer: [],
    change: (dir) => Deno.writeTextFileSync(`${dir}/x/new`, ""),
  },
  {
    what: "names() of a directory that is made",
    ask: (world, dir) => world.names(`${dir}/x`),
    answer: undefined,
    change: makeDirectory,
  },
  {
    what: "access() to a path that is removed",
    before: (dir) => write(dir, ""),
    ask: (world, dir) => world.access(`${dir}/x`),
    answer: 0,
    change: (dir) => Deno.removeSync(`${dir}/x`),
  },
  {
    what: "processes() of a list that gets another's PID",
    before: (dir) => write(dir, ""),
    ask: (world, dir) => world.processes(`${dir}/x`),
    answer: [],
    change: (dir) => write(dir, "1\n"),
  },
];

for (const { what, before, ask, answer, change } of CASES) {
  Deno.test(`a start is made anew after a change: ${what}`, () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-world-" });
    try {
      before?.(dir);
      const world = new World();
      assert.deepEqual(ask(world, dir), answer);
      assert.equal(world.unrepeatable, undefined);
      assert.ok(world.conditions.length > 0 && stillHold(world.conditions));
      // What is beside it is not what was asked for.
      Deno.writeTextFileSync(`${dir}/other`, "");
      assert.ok(stillHold(world.conditions));
      change(dir);
      assert.ok(!stillHold(world.conditions));
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  });
}

Deno.test("a start can't be repeated from an answer that no condition can be about", () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-world-" });
  const why = (ask: (world: World) => unknown): string | undefined => {
    const world = new World();
    try {
      ask(world);
    } catch {
      // The error is the caller's; what it means for a repetition is noted.
    }
    return world.unrepeatable?.replace(dir, "");
  };
  try {
    Deno.writeTextFileSync(`${dir}/large`, "x".repeat(0x10001));
    assert.equal(why((world) => world.content(`${dir}/large`)), "/large is large");
    assert.equal(why((world) => world.content(`${dir}/none`)), "/none can't be read");
    assert.equal(why((world) => world.words(`${dir}/none`)), "/none can't be read");
    assert.equal(why((world) => world.processes(`${dir}/none`)), "/none can't be read");
    assert.equal(why((world) => world.isDirectory(`${dir}/none`, "type")), "/none is not there");
    // Which text it will have is known to who writes it.
    assert.equal(why((world) => world.oneOf(`${dir}/none`, ["a"])), undefined);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("only the first reason is kept why a start can't be repeated", () => {
  const world = new World();
  world.cannotRepeat("the first");
  world.cannotRepeat("the second");
  assert.equal(world.unrepeatable, "the first");
});

/** Questions whose answers this process can't change, with the kind of the condition that each becomes. */
const NOTED: readonly (readonly [ask: (world: World) => unknown, kind: string])[] = [
  [(world) => world.capabilities(), "capabilities"],
  [(world) => world.isTerminal(0), "terminal"],
  [(world) => world.isTerminal(1), "terminal"],
  [(world) => world.access("/"), "access"],
  [(world) => world.attribute("/", "user.none"), "attribute"],
  [(world) => world.processes("/dev/null"), "processes"],
  [(world) => world.identity("/"), "status"],
  [(world) => world.words("/dev/null"), "content"],
];

Deno.test("what a start asks is noted, each question once, and holds as long as nothing changes", () => {
  for (const [ask, kind] of NOTED) {
    const world = new World();
    ask(world);
    assert.deepEqual(world.conditions.map((condition) => condition.kind), [kind]);
    assert.equal(world.unrepeatable, undefined);
    assert.ok(stillHold(world.conditions), kind);
  }
});
