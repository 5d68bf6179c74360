/**
 * Decides which modules of a bundle become one chunk.
 *
 * Loading a chunk takes 0.45 ms however small it is, and 0.05 ms for each kilobyte in it, used or not.
 * So neither many small chunks are good nor one big one.
 */

/** A part of a program and what it imports. */
export interface Module {
  readonly name: string;
  /** The names of what it imports statically. */
  readonly imports: readonly string[];
  /** The names of what it imports by `import()`. */
  readonly lazyImports: readonly string[];
  /** How long its text is, in characters, before it is minified. */
  readonly size: number;
  /** It contains a CommonJS module. */
  readonly commonJs: boolean;
}

/** Modules that will be one chunk. */
export interface Group {
  readonly modules: readonly Module[];
  /** It has the entry, or what the entry imports lazily on the way to a hot command. */
  readonly hot: boolean;
}

/** What a chunk costs, in characters of text. */
const CHUNK_COST = 16_000;

/** What a module of Node or a CommonJS module costs, in characters of text: 4 ms and more. */
const SLOW_COST = 150_000;

/** What so many modules need that are imported lazily is common, where it is smaller than what a chunk costs. */
const COMMON_USES = 40;

/** How many times more often a hot command is started than any other. */
const HOT_WEIGHT = 20;

/**
 * Groups modules: the entry's is the first; a hot command is the first of its group.
 *
 * What the entry imports statically is one group, and so is, for each `import()` on the way to a hot
 * command, what that needs beyond the groups before it. Of the rest, what the same lazy imports need
 * is one group; then two become one as long as that gains more than it costs.
 *
 * A shortcut is what the entry imports lazily in place of a command. It is one group with all that it needs; what it shares
 * with the hot commands, or with very many others, goes to the entry, so that the one does not load the other. A part is what a hot command loads
 * lazily whenever it runs: it is as hot as the command.
 *
 * @param hot names of commands: `run` is a module called `run-4XAWJ2YB.js`
 * @param shortcuts names of modules, likewise
 * @param parts names of modules, likewise
 */
export function chunkGroups(
  modules: readonly Module[],
  entry: Module,
  hot: readonly string[],
  shortcuts: readonly string[] = [],
  parts: readonly string[] = [],
): Group[] {
  const ways = hot.map((command) => lazyWay(modules, entry, command));
  const commands = ways.flatMap((way) => way.slice(-1));
  const short = shortcuts.flatMap((name) => lazyWay(modules, entry, name).slice(-1));
  const inShort = new Set(short.flatMap((module) => closure(modules, module)));
  const hotParts = parts.flatMap((name) => lazyWay(modules, entry, name).slice(-1));
  const inHot = new Set(
    [...ways.flat(), ...hotParts].flatMap((module) => closure(modules, module)),
  );
  const targets = new Set(modules.flatMap((module) => named(modules, module.lazyImports)));
  const uses = [...targets].map((target) => new Set(closure(modules, target)));
  const common = [...inShort].filter((module) =>
    module.size < CHUNK_COST && uses.filter((used) => used.has(module)).length >= COMMON_USES
  );
  const placed = new Set<Module>();
  const stage = (members: readonly Module[]) => {
    const stage = members.filter((module) => !placed.has(module));
    stage.forEach((module) => placed.add(module));
    return { modules: stage, hot: true };
  };
  const stages = [
    stage([
      ...new Set([
        ...closure(modules, entry),
        ...inShort.intersection(inHot),
        ...common.flatMap((module) => closure(modules, module)),
      ]),
    ]),
    ...[...short, ...ways.flatMap((way) => way.slice(0, -1))]
      .map((from) => stage(closure(modules, from))),
  ];
  const rest = modules.filter((module) => !placed.has(module));
  const lazy = new Set(modules.flatMap((module) => named(rest, module.lazyImports)));
  const groups = merge(rest, lazy, [...commands, ...hotParts]).flatMap(({ modules }) => {
    const first = modules.find((module) => commands.includes(module)) ??
      modules.find((module) => lazy.has(module)) ?? modules[0];
    const others = modules.filter((module) => module !== first);
    return first === undefined
      ? []
      : [{ modules: [first, ...others], hot: commands.includes(first) }];
  });
  return [...stages.filter((stage) => stage.modules.length > 0), ...groups];
}

/** One and all that it imports statically, directly or not, itself first. */
export function closure<T extends { readonly name: string; readonly imports?: readonly string[] }>(
  all: readonly T[],
  from: T,
): T[] {
  const pending = [from], found = new Set<T>();
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (found.has(one)) continue;
    found.add(one);
    pending.push(...named(all, one.imports ?? []));
  }
  return [...found];
}

function named<T extends { readonly name: string }>(
  all: readonly T[],
  names: readonly string[],
): T[] {
  return all.filter((one) => names.includes(one.name));
}

/** The targets of `import()` on the shortest way from the entry to a command; none without a way. */
function lazyWay(all: readonly Module[], entry: Module, command: string): Module[] {
  const isCommand = new RegExp(`^${command}-[A-Z0-9]{8}\\.js$`);
  const seen = new Set([entry]);
  let ways: [target: Module, ...before: Module[]][] = [[entry]];
  while (ways.length > 0) {
    const longer = ways.flatMap((way) =>
      closure(all, way[0]).flatMap((one) => named(all, one.lazyImports))
        .filter((target) => !seen.has(target) && seen.add(target))
        .map((target): [Module, ...Module[]] => [target, ...way])
    );
    const arrived = longer.find((way) => isCommand.test(way[0].name));
    if (arrived !== undefined) return arrived.toReversed().slice(1);
    ways = longer;
  }
  return [];
}

/** A group in the making. */
interface Draft {
  readonly modules: readonly Module[];
  readonly size: number;
  /** The lazily imported modules that need some of it. */
  users: ReadonlySet<Module>;
  /** The other groups that it imports, directly or not. */
  imports: readonly Draft[];
}

/** Some modules in groups, which are merged as long as it pays. */
function merge(
  modules: readonly Module[],
  lazy: ReadonlySet<Module>,
  hot: readonly Module[],
): Draft[] {
  let drafts = linked(bySameUsers(modules, lazy));
  for (;;) {
    const pairs = drafts.flatMap((a, index) => drafts.slice(index + 1).map((b) => ({ a, b })));
    const worth = pairs.filter(({ a, b }) => ownGain(a, b, hot) > 0 && !between(a, b))
      .map(({ a, b }) => ({ a, b, gain: gain(a, b, hot) }));
    const best = worth.toSorted((x, y) => y.gain - x.gain).at(0);
    if (best === undefined || best.gain <= 0) return drafts;
    const { a, b } = best;
    const users = a.users.union(b.users);
    for (const draft of [...a.imports, ...b.imports]) draft.users = draft.users.union(users);
    const both = { modules: [...a.modules, ...b.modules], size: a.size + b.size, users };
    drafts = linked([...drafts.filter((draft) => draft !== a && draft !== b), both]);
  }
}

/** Modules that the same lazy imports need, together. */
function bySameUsers(
  modules: readonly Module[],
  lazy: ReadonlySet<Module>,
): Omit<Draft, "imports">[] {
  const needs = [...lazy].map((user) => ({ user, closure: closure(modules, user) }));
  const usersOf = (module: Module) =>
    needs.filter((need) => need.closure.includes(module)).map((need) => need.user);
  const sets = Map.groupBy(modules, (module) => usersOf(module).map((user) => user.name).join());
  return [...sets.values()].map((same) => ({
    modules: same,
    size: same.reduce((size, module) => size + cost(module), 0),
    users: new Set(same.slice(0, 1).flatMap(usersOf)),
  }));
}

/** The groups, each with those that it imports. */
function linked(drafts: readonly Omit<Draft, "imports">[]): Draft[] {
  const groups = drafts.map((draft): Draft => ({ ...draft, imports: [] }));
  const home = new Map(groups.flatMap((group) => group.modules.map(({ name }) => [name, group])));
  const direct = new Map(groups.map((group) => {
    const names = group.modules.flatMap((module) => module.imports);
    return [group, new Set(names.flatMap((name) => home.get(name) ?? []))];
  }));
  for (const group of groups) {
    const found = new Set([group]);
    for (const one of found) direct.get(one)?.forEach((other) => found.add(other));
    group.imports = [...found].filter((one) => one !== group);
  }
  return groups;
}

function cost(module: Module): number {
  const slow = module.imports.filter((name) => name.startsWith("node:")).length +
    (module.commonJs ? 1 : 0);
  return module.size + slow * SLOW_COST;
}

/** What one chunk in place of two saves: a chunk where both are used, less the text where one is. */
function ownGain(a: Draft, b: Draft, hot: readonly Module[]): number {
  return CHUNK_COST * weight(a.users.intersection(b.users), hot) -
    a.size * weight(b.users.difference(a.users), hot) -
    b.size * weight(a.users.difference(b.users), hot);
}

/** The same, less what the users of one get to load that only the other imports. */
function gain(a: Draft, b: Draft, hot: readonly Module[]): number {
  const users = a.users.union(b.users);
  const imported = [...new Set([...a.imports, ...b.imports])].filter((x) => x !== a && x !== b);
  return imported.reduce(
    (rest, draft) => rest - (draft.size + CHUNK_COST) * weight(users.difference(draft.users), hot),
    ownGain(a, b, hot),
  );
}

function weight(users: ReadonlySet<Module>, hot: readonly Module[]): number {
  return users.size + hot.filter((module) => users.has(module)).length * (HOT_WEIGHT - 1);
}

/**
 * Whether there is something between two groups: one imports a third, and this the other. Merged they
 * would import each other in a circle, and a class could be used before it is there.
 */
function between(a: Draft, b: Draft): boolean {
  return a.imports.some((group) => group.imports.includes(b)) ||
    b.imports.some((group) => group.imports.includes(a));
}
