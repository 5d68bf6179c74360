import { deepStrictEqual } from "node:assert/strict";
import { chunkGroups, type Module } from "./chunk_groups.ts";

function module(name: string, size: number, more: Partial<Module> = {}): Module {
  return { name, size, imports: [], lazyImports: [], commonJs: false, ...more };
}

/** The names in each group, sorted. */
function groups(entry: Module, ...others: readonly Module[]): string[][] {
  return chunkGroups([entry, ...others], entry, ["run"]).map((group) =>
    group.modules.map(({ name }) => name).toSorted()
  ).toSorted();
}

const RUN = "run-ABCDEFGH.js";
const MAIN = module("main", 100, { lazyImports: [RUN, "list", "stop"] });

Deno.test("chunkGroups() puts what the entry imports with the entry", () => {
  const entry = module("main", 100, { imports: ["a"], lazyImports: [RUN] });
  const run = module(RUN, 100, { imports: ["a"] });
  deepStrictEqual(
    groups(entry, run, module("a", 9, { imports: ["b"] }), module("b", 9)),
    [["a", "b", "main"], [RUN]],
  );
});

Deno.test("chunkGroups() gives a shortcut one chunk, and the entry what it shares with commands", () => {
  const short = "short-ABCDEFGH.js";
  const entry = module("main", 100, { lazyImports: [short, "cli"] });
  const made = chunkGroups(
    [
      entry,
      module("cli", 90_000, { imports: ["shared"], lazyImports: [RUN] }),
      module(RUN, 100, { lazyImports: ["other"] }),
      module(short, 100, { imports: ["shared", "own"] }),
      module("own", 90_000),
      module("shared", 100),
      module("other", 90_000, { imports: ["own"] }),
    ],
    entry,
    ["run"],
    ["short"],
  );
  deepStrictEqual(
    made.map((group) => group.modules.map(({ name }) => name).toSorted()),
    [["main", "shared"], ["own", short], ["cli"], [RUN], ["other"]],
  );
});

Deno.test("chunkGroups() gives the entry what a shortcut shares with very many others, if it is small", () => {
  const short = "short-ABCDEFGH.js";
  const others = Array.from({ length: 40 }, (_, i) => `other${i}`);
  const entry = module("main", 100, { lazyImports: [short, RUN, ...others] });
  const made = chunkGroups(
    [
      entry,
      module(RUN, 100),
      module(short, 100, { imports: ["small", "large"] }),
      module("small", 100, { imports: ["below"] }),
      module("below", 100),
      module("large", 90_000),
      ...others.map((name) => module(name, 90_000, { imports: ["small", "large"] })),
    ],
    entry,
    ["run"],
    ["short"],
  );
  deepStrictEqual(
    made.slice(0, 2).map((group) => group.modules.map(({ name }) => name).toSorted()),
    [["below", "main", "small"], ["large", short]],
  );
});

Deno.test("chunkGroups() keeps a part of a hot command from loading a shortcut", () => {
  const short = "short-ABCDEFGH.js", part = "part-ABCDEFGH.js";
  const entry = module("main", 100, { lazyImports: [short, RUN] });
  const all = [
    entry,
    module(RUN, 100, { lazyImports: [part] }),
    module(part, 100, { imports: ["shared"] }),
    module(short, 100, { imports: ["shared", "own"] }),
    module("own", 90_000),
    module("shared", 100),
  ];
  const names = (parts: readonly string[]) =>
    chunkGroups(all, entry, ["run"], ["short"], parts).map(({ modules }) =>
      modules.map(({ name }) => name).toSorted()
    );
  deepStrictEqual(names([]).slice(0, 2), [["main"], ["own", "shared", short]]);
  deepStrictEqual(names(["part"]).slice(0, 2), [["main", "shared"], ["own", short]]);
});

Deno.test("chunkGroups() keeps what one command needs out of another's way", () => {
  deepStrictEqual(
    groups(
      MAIN,
      module(RUN, 1000),
      module("list", 1000, { imports: ["big"] }),
      module("stop", 1000),
      module("big", 50_000),
    ),
    [["big", "list"], ["main"], [RUN], ["stop"]],
  );
});

Deno.test("chunkGroups() merges what is small and shared, and not what is big", () => {
  const merged = (size: number) =>
    groups(
      MAIN,
      module(RUN, 1000),
      module("list", size, { imports: ["shared"] }),
      module("stop", size, { imports: ["shared"] }),
      module("shared", 1000),
    );
  deepStrictEqual(merged(90_000), [["list"], ["main"], [RUN], ["shared"], ["stop"]]);
  deepStrictEqual(merged(1000), [["list", "shared", "stop"], ["main"], [RUN]]);
});

Deno.test("chunkGroups() leaves modules of Node and CommonJS to those that need them", () => {
  const grouped = (more: Partial<Module>) =>
    groups(
      MAIN,
      module(RUN, 100, { imports: ["shared"] }),
      module("list", 100, { imports: ["shared", "slow"] }),
      module("stop", 100),
      module("shared", 100),
      module("slow", 100, more),
    );
  const apart = [["list", "slow"], ["main"], [RUN, "shared"], ["stop"]];
  deepStrictEqual(grouped({ imports: ["node:crypto"] }), apart);
  deepStrictEqual(grouped({ commonJs: true }), apart);
});

Deno.test("chunkGroups() makes no groups that import each other", () => {
  const made = chunkGroups(
    [
      MAIN,
      module(RUN, 10, { imports: ["low"] }),
      module("list", 10, { imports: ["middle"] }),
      module("stop", 90_000, { imports: ["middle"] }),
      module("middle", 90_000, { imports: ["low"] }),
      module("low", 10),
    ],
    MAIN,
    ["run"],
  );
  const home = (name: string) =>
    made.findIndex(({ modules }) => modules.some((m) => m.name === name));
  const edges = made.flatMap(({ modules }, index) =>
    modules.flatMap((m) => m.imports.map(home)).filter((to) => to !== index)
      .map((to) => `${index}>${to}`)
  );
  deepStrictEqual(
    edges.filter((edge) => edges.includes(edge.split(">").toReversed().join(">"))),
    [],
  );
});
