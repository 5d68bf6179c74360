/**
 * The laws of imports: which room may know which. docs/build/design.md gives the reasons.
 *
 * A room is a folder, or a file. Types count as much as values: who knows a type knows where it comes from.
 */
import { dirname, join, normalize } from "node:path/posix";

/** A file of the project, and what it imports: paths from the project's root. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

interface Law {
  /** The room that the law is about. */
  readonly room: string;
  /** It imports nothing but itself and these. */
  readonly only?: readonly string[];
  /** It imports none of these. */
  readonly never?: readonly string[];
  /** What to do in place of a forbidden import. */
  readonly instead: string;
}

const GROUND = ["src/linux", "src/failure.ts", "src/version.ts"];
const TYPES = [...GROUND, "src/appc"];
const HAND_IN = "let the caller hand in what it needs, as a value";

/** The parts of networking, from the ground up: each may import those before it. */
const NET_ORDER = ["model", "kernel", "ipam", "types", "nat", "plugins", "pod"];

const LAWS: readonly Law[] = [
  {
    room: "src/linux",
    only: [],
    instead: "system calls know nothing of rkt: move it to the caller",
  },
  { room: "src/appc", only: GROUND, instead: "the specification's types know no other room" },
  { room: "src/aci", only: TYPES, instead: HAND_IN },
  { room: "src/build", only: [...TYPES, "src/aci"], instead: HAND_IN },
  { room: "src/openpgp", only: [...GROUND, "src/aci"], instead: HAND_IN },
  { room: "src/publish", only: [...TYPES, "src/aci", "src/trust"], instead: HAND_IN },
  { room: "src/layers", only: [...TYPES, "src/aci"], instead: HAND_IN },
  { room: "src/erofs", only: [...TYPES, "src/aci"], instead: HAND_IN },
  { room: "src/config", only: TYPES, instead: HAND_IN },
  { room: "src/discovery", only: TYPES, instead: HAND_IN },
  { room: "src/oci", only: [...TYPES, "src/aci"], instead: HAND_IN },
  { room: "src/http", only: [...TYPES, "src/aci", "src/config"], instead: HAND_IN },
  {
    room: "src/registry",
    only: [...TYPES, "src/oci", "src/config", "src/http"],
    instead:
      "the client of registries fetches and pushes; src/start and the cli join it to the store",
  },
  {
    room: "stage1/engine",
    only: GROUND,
    instead: "a plan does not know what it is for: pass a value",
  },
  {
    room: "stage1",
    only: [...TYPES, "src/cgroup"],
    instead: "stage1 knows a pod by stage1/pod.ts and its directory: write it there",
  },
  {
    room: "src/audit",
    only: [...TYPES, "src/config", "stage1"],
    instead: "a record is of values: let the caller hand them in",
  },
  { room: "src/dbus", only: GROUND, instead: HAND_IN },
  { room: "src/identity", only: TYPES, instead: HAND_IN },
  {
    room: "src/metadata",
    only: [...TYPES, "src/pod", "src/identity"],
    instead: "the metadata service knows pods by their registration and their directory",
  },
  { room: "src/cgroup", never: ["src/pod", "stage1"], instead: HAND_IN },
  {
    room: "src/store",
    never: ["src/pod"],
    instead: "let the caller say which images and trees are in use",
  },
  {
    room: "src/trust",
    never: ["src/store", "src/registry", "src/http"],
    instead: "put what knows both into src/fetch",
  },
  {
    room: "src/push",
    never: ["src/fetch", "src/pod", "src/start"],
    instead: "pushing takes from the store what is there, and gives it to src/registry",
  },
  {
    room: "src/rootless",
    never: ["src/start", "src/fetch", "src/trust"],
    instead: "let src/start or the cli join the two",
  },
  {
    room: "src/runtime",
    only: [...TYPES, "src/cgroup", "src/pod", "src/dbus", "stage1"],
    instead: "a container of an engine has no image, no network and no store of ours",
  },
  {
    room: "src/pod",
    never: ["src/net", "src/start", "src/fetch", "src/trust"],
    instead: "let src/start join the two",
  },
  ...NET_ORDER.map((part, at): Law => ({
    room: `src/net/${part}`,
    never: NET_ORDER.slice(at + 1).map((later) => `src/net/${later}`),
    instead: `the order is ${NET_ORDER.join(", ")}: move what both need to the earlier one`,
  })),
  {
    room: "src/net/kernel",
    only: ["src/net/model", "stage1/engine/hole.ts", ...TYPES],
    instead: HAND_IN,
  },
  { room: "src", never: ["src/cli"], instead: "move it to the room that it is about" },
  { room: "stage1", never: ["src/cli"], instead: "move it to the room that it is about" },
  {
    room: "scripts",
    never: ["tests"],
    instead: "put what needs the tests' worlds into tests/bench",
  },
];

/** Ways to ask the world: files, the kernel, the environment, terminals. */
const ASKING =
  /\bDeno\.(?:read\w*|l?stat\w*|open\w*|realPath\w*|env|hostname|osRelease)\b|\b(?:trySyscall|syscall|exists|thisSystem)\(|\.isTerminal\(\)/;

/** The room whose questions are noted, and the files in it that may ask by themselves, each with the reason. */
const RECORDED = "src/start";
const UNRECORDED: Readonly<Record<string, string>> = {
  "src/start/world.ts": "it is the recorder",
  "src/start/manager": "it notes what it asks by World.note()",
  "src/start/cache": "it asks again, and keeps the entries",
  "src/start/replace_process.ts": "it changes descriptors, and asks nothing",
  "src/start/host/check_kernel.ts": "it refuses kernels, and their release is noted",
  "src/start/host/open_files.ts": "it raises a limit for rkt itself",
  "src/start/environment_file.ts": "a start with such a file is not kept",
  "src/start/user_manifest.ts": "a start with a pod manifest is not kept",
  "src/start/host/check_process_limits.ts": "a start with limits of processes is not kept",
  "src/start/dry_run.ts": "it starts nothing",
  "src/start/external": "a start by an external stage1 image is not kept",
};

/**
 * What asks the world in a room where only the recorder may: a start that is repeated would not ask it again.
 *
 * @returns a line, where there is something
 */
export function unrecordedQuestions(file: string, text: string): string[] {
  if (!isIn(file, RECORDED) || file.endsWith("_test.ts")) return [];
  if (Object.keys(UNRECORDED).some((each) => isIn(file, each))) return [];
  const code = text.replace(/^\s*(\*|\/\/).*$/gm, "");
  return [...code.matchAll(new RegExp(ASKING, "g"))]
    .map(([asked]) => `${file} asks the world by ${asked}: ask ${RECORDED}/world.ts`);
}

/** Who may load the files of commands. */
const COMMAND_USERS = ["src/cli/table", "src/cli/main.ts"];

const isIn = (file: string, room: string) => file === room || file.startsWith(`${room}/`);

/** A unit test beside its source, a folder `testing`, or anything of tests/ and testdata/. */
function isForTests(file: string): boolean {
  return file.endsWith("_test.ts") || /(^|\/)testing\//.test(file) || /^test(s|data)\//.test(file);
}

/**
 * The imports that break a law.
 *
 * @returns a line for each: who imports whom, and what to do instead
 */
export function breaches(graph: ImportGraph, commands: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const [file, imports] of graph) {
    // Tests beside the sources build on whatever they need.
    if (file.endsWith("_test.ts")) continue;
    for (const imported of imports) {
      const arrow = `${file} → ${imported}`;
      for (const { room, only, never, instead } of LAWS) {
        if (!isIn(file, room)) continue;
        if (room === "src" && isIn(file, "src/cli")) continue;
        const allowed = only === undefined || [room, ...only].some((each) => isIn(imported, each));
        const forbidden = never?.some((each) => isIn(imported, each)) ?? false;
        if (!allowed || forbidden) found.push(`${arrow}: ${instead}`);
      }
      if (!isForTests(file) && isForTests(imported)) {
        found.push(`${arrow}: product never imports what is for tests`);
      }
      if (commands.has(imported) && !COMMAND_USERS.some((user) => isIn(file, user))) {
        found.push(`${arrow}: a command never imports another: move what both need out of it`);
      }
    }
  }
  return found;
}

/** Circles of product files: each is a line that names the files on it in order. */
export function circles(graph: ImportGraph): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]) => {
    const at = way.indexOf(file);
    if (at >= 0) {
      found.push(`${[...way.slice(at), file].join(" → ")}: move what both need to a third file`);
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

const IMPORT = /(?:\bfrom|\bimport|\bimport\s*\()\s*"(\.{1,2}\/[^"]+)"/g;

/** What a source file imports, types and `import()` included: paths from the project's root. */
export function importsOf(file: string, text: string): readonly string[] {
  const code = text.replace(/^\s*(\*|\/\/).*$/gm, "");
  return [...code.matchAll(IMPORT)].map(([, path = ""]) => normalize(join(dirname(file), path)));
}

/** Whether a file of src/cli is a command: its default export is what the table of commands loads. */
export function isCommand(file: string, text: string): boolean {
  return isIn(file, "src/cli") && /^export default /m.test(text);
}
