/** What `--dry-run` says of a repeated start: what is asked again first, and what is filled into the program then. */
import { absolute } from "../absolute.ts";
import { kernelRelease, rememberedKind } from "../root_kind.ts";
import type { World } from "../world.ts";
import type { HoleName, HolePlace } from "../../../stage1/engine/hole.ts";
import { questions } from "../../../stage1/launcher/ask_again.ts";
import type { Condition, StatusPart } from "../../../stage1/launcher/condition.ts";

/** Asks which kind of roots was found to work before, and finds nothing out. */
export function noteRootKind(dataDirectory: string, world: World): void {
  const kernel = kernelRelease(world);
  const cas = `${absolute(dataDirectory)}/cas`;
  rememberedKind(`${cas}/root-kind`, `${kernel} ${world.identity(cas)}\n`, world);
}

/** What of a status is compared. */
const PARTS: Readonly<Record<StatusPart, string>> = {
  type: "of the same kind",
  object: "the same file or directory",
  owner: "the same one, with the same owner, group and mode",
  content: "the same one, not changed since",
};

/** A condition as a sentence. */
function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case "absent":
      return `${condition.path} is not there`;
    case "status":
      return `${condition.path} is ${PARTS[condition.part]}`;
    case "content":
      return `${condition.path} has the same ${condition.bytes.length} bytes`;
    case "terminal":
      return `descriptor ${condition.fd} is ${condition.is ? "a" : "no"} terminal`;
    case "access":
      return `${condition.path} ${condition.errno === 0 ? "can" : "can't"} be written`;
    case "capabilities":
      return "the caller has the same capabilities";
    case "processes":
      return `the processes in ${condition.path} are ${WHOSE[condition.which]}`;
    case "attribute":
      return `${condition.path} has ${
        condition.value === undefined ? "no" : "the same"
      } attribute ${condition.name}`;
    case "names":
      return `${condition.path} has the same names`;
    case "own PID":
      return `${condition.variable} is rkt's PID`;
    case "descriptor":
      return `descriptor ${condition.fd} was passed, and is of the same kind`;
    case "socket option":
      return `option ${condition.option} of socket ${condition.fd} is ${condition.value}`;
    case "socket name":
      return `socket ${condition.fd} has the same address`;
  }
}

const WHOSE = { none: "none", own: "only rkt's own", others: "not rkt's alone" } as const;

/** What a hole is filled with. */
function holeText(name: HoleName): string {
  if (name.startsWith("message")) return "the message that removes the pod's rules";
  if (name.startsWith("file")) return "a file that goes with the pod's networks";
  return name === "uuid"
    ? "the pod's UUID"
    : name === "address"
    ? "the pod's address"
    : name === "users"
    ? "the pod's range of users, in numbers"
    : "the pod's range of users, in digits";
}

function holeLines(holes: readonly HolePlace[]): readonly string[] {
  const count = new Map<HoleName, { readonly size: number; readonly places: number }>();
  for (const { name, size } of holes) {
    count.set(name, { size, places: (count.get(name)?.places ?? 0) + 1 });
  }
  return Array.from(
    count,
    ([name, { size, places }]) =>
      `    ${holeText(name)}: ${size} bytes, in ${places} ${places === 1 ? "place" : "places"}`,
  );
}

/** What a start is kept with. */
export interface Kept {
  /** Why it is not; absent where it is. */
  readonly why?: string | undefined;
  readonly conditions: readonly Condition[];
  readonly holes: readonly HolePlace[];
  /** Whether networks add questions and values of their own. */
  readonly joins: boolean;
}

/** The lines that say what a repeated start asks again and fills in. */
export function keptLines({ why, conditions, holes, joins }: Kept): readonly string[] {
  if (why !== undefined) return ["", `# a repeated start is worked out anew: ${why}`];
  return [
    "",
    "# what a repeated start asks first; another answer, and it is worked out anew",
    ...questions(conditions).map((each) => `    ${conditionText(each)}`),
    ...joins ? ["    what the networks need: see above"] : [],
    "",
    "# what is filled into its program then",
    ...holeLines(holes),
    ...joins ? ["    the pod's address, and what takes its networks down"] : [],
  ];
}
