/** The paths through a plan: which step may come behind which. */
import { ABORT } from "../abort.ts";
import { goesOn } from "../flow.ts";
import {
  type Address,
  type Argument,
  type Item,
  type Plan,
  type SectionName,
  SECTIONS,
  type Slot,
  type Step,
  type Struct,
} from "../plan.ts";

/** A step of the plan, and what stands around it. */
export interface Place {
  readonly section: SectionName;
  /** The label in front of it. */
  readonly label?: string;
  readonly step: Step;
  /** The step is the engine's own, for failures; the same in every plan. */
  readonly abort: boolean;
  /** Descriptors that stay open from here on; see {@linkcode Keep}. */
  readonly keeps: readonly (Slot | number)[];
  /** It is the last one of its section. */
  readonly last: boolean;
}

/** A step on some path: it is there several times where what comes later depends on the way to it. */
export interface Node extends Place {
  readonly index: number;
  /** Its number among the steps of the plan. */
  readonly at: number;
  /** Nodes that may be the next one. */
  readonly next: readonly number[];
  /** The one of them to which the step branches. */
  readonly branchTo?: number;
  /** It goes on, and nothing stands behind it in its section. */
  readonly runsOver: boolean;
  /** The name of a label that it branches to and that is nowhere. */
  readonly lost?: string;
}

/** A label that stands twice, or has no step behind it. */
export interface WrongLabel {
  readonly name: string;
  readonly section: SectionName;
  readonly fault: string;
}

/** What a plan may do. The first node is where the program begins. */
export interface Graph {
  readonly nodes: readonly Node[];
  /** All steps in their order, with the abort's. */
  readonly places: readonly Place[];
  readonly wrongLabels: readonly WrongLabel[];
}

/** Addresses of labels, by what leads there. */
interface Targets {
  /** Stored in a slot. */
  readonly stored: ReadonlyMap<Slot, ReadonlySet<string>>;
  /** Slots that get values from elsewhere: from memory, say. */
  readonly loaded: ReadonlySet<Slot>;
  /** In structures. */
  readonly inMemory: ReadonlySet<string>;
}

/** What slots hold that are for nothing but addresses of labels: where to go on, when a part is used by several. */
type Returns = ReadonlyMap<Slot, string>;

/** The graph of a plan. */
export function graphOf(plan: Plan): Graph {
  return new Walk(plan).graph();
}

class Walk {
  readonly #places: Place[] = [];
  readonly #labels = new Map<string, number>();
  readonly #wrong: WrongLabel[] = [];
  readonly #targets: Targets;
  readonly #nodes: Node[] = [];
  /** Nodes by the number of the step and what is known of its way, and those whose next ones are not looked for yet. */
  readonly #known = new Map<string, number>();
  readonly #open: { readonly at: number; readonly returns: Returns }[] = [];

  constructor(plan: Plan) {
    for (const section of SECTIONS) this.#add(plan[section] ?? [], section, false);
    this.#add(ABORT, plan.spawn === undefined ? "setup" : "spawn", true);
    this.#targets = targetsOf(this.#places.map(({ step }) => step));
  }

  #add(items: readonly Item[], section: SectionName, abort: boolean): void {
    let keeps: (Slot | number)[] = [];
    let label: string | undefined;
    const lastStep = items.findLastIndex(({ kind }) => kind === "step");
    for (const [i, item] of items.entries()) {
      if (item.kind === "step") {
        const last = i === lastStep;
        const at = label === undefined ? {} : { label };
        this.#places.push({ section, step: item, abort, keeps, last, ...at });
        keeps = [];
      } else if (item.kind === "keep") keeps.push(item.descriptor);
      else if (item.kind === "label") {
        label = item.name;
        const fault = this.#labels.has(label)
          ? "stands twice"
          : i > lastStep
          ? "has no step behind it"
          : undefined;
        if (fault !== undefined) this.#wrong.push({ name: label, section, fault });
        this.#labels.set(label, i > lastStep ? -1 : this.#places.length);
      }
    }
  }

  graph(): Graph {
    if (this.#places.length > 0) this.#node(0, new Map());
    // Each node that is made is looked at once, in the order of their making.
    for (let index = 0; index < this.#open.length; index++) this.#visit(index);
    return { nodes: this.#nodes, places: this.#places, wrongLabels: this.#wrong };
  }

  #node(at: number, returns: Returns): number {
    const key = [at, ...[...returns].map(([slot, name]) => `${this.#number(slot)}=${name}`).sort()]
      .join(";");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.#open.length);
    return this.#open.push({ at, returns }) - 1;
  }

  readonly #numbers = new Map<Slot, number>();

  #number(slot: Slot): number {
    const number = this.#numbers.get(slot) ?? this.#numbers.size;
    this.#numbers.set(slot, number);
    return number;
  }

  #visit(index: number): void {
    const { at = 0, returns = new Map<Slot, string>() } = this.#open[index] ?? {};
    const place = this.#places[at];
    if (place === undefined) return;
    const { step, last } = place;
    const names = [
      ...step.fatal ? ["abort"] : step.branch === undefined ? [] : [step.branch.to],
      ...step.leavesPlan
        ? this.#targets.inMemory
        : step.call === "goto"
        ? indirect(step.arguments[0], this.#targets, returns)
        : [],
    ];
    const then = storedReturn(step, this.#targets, returns);
    const ways = names.flatMap((name) => this.#labels.get(name) ?? []);
    if (goesOn(step) && !last) ways.push(at + 1);
    const lost = names.find((name) => !this.#labels.has(name));
    const target = step.branch === undefined ? undefined : this.#labels.get(step.branch.to);
    const branches = target !== undefined && target >= 0 && target !== at + 1;
    this.#nodes.push({
      ...place,
      ...branches && { branchTo: this.#node(target, then) },
      index,
      at,
      next: [...new Set(ways)].filter((way) => way >= 0).map((way) => this.#node(way, then)),
      runsOver: (goesOn(step) && last) || ways.includes(-1),
      ...lost !== undefined && { lost },
    });
  }
}

/** What is known behind a step of where to go on. */
function storedReturn({ call, arguments: [value], store }: Step, targets: Targets, now: Returns) {
  if (store === undefined || targets.loaded.has(store)) return now;
  return call === "let" && isLabel(value) ? new Map([...now, [store, value.of.name]]) : now;
}

const isLabel = (value: unknown): value is Address & { of: { kind: "label"; name: string } } =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "address" &&
  "of" in value && typeof value.of === "object" && value.of !== null && "kind" in value.of &&
  value.of.kind === "label";

/** The labels that an operation `goto` may lead to. */
function indirect(
  argument: Argument | undefined,
  { stored, loaded, inMemory }: Targets,
  returns: Returns,
): readonly string[] {
  if (isLabel(argument)) return [argument.of.name];
  if (typeof argument !== "object" || argument.kind !== "slot") return [];
  if (loaded.has(argument)) return [...stored.get(argument) ?? [], ...inMemory];
  const known = returns.get(argument);
  return known === undefined ? [] : [known];
}

function targetsOf(steps: readonly Step[]): Targets {
  const stored = new Map<Slot, Set<string>>();
  const loaded = new Set<Slot>();
  const inMemory = new Set<string>();
  const seen = new Set<Struct>();
  const look = (struct: Struct) => {
    if (seen.has(struct)) return;
    seen.add(struct);
    for (const [, , value] of struct.fields) {
      if (isLabel(value)) inMemory.add(value.of.name);
      else if (typeof value === "object" && "of" in value && value.of.kind === "struct") {
        look(value.of);
      }
    }
  };
  for (const { call, arguments: args, store } of steps) {
    const [value] = args;
    if (store !== undefined) {
      if (call === "let" && isLabel(value)) {
        stored.set(store, (stored.get(store) ?? new Set()).add(value.of.name));
      } else loaded.add(store);
    }
    for (const [i, argument] of args.entries()) {
      if (typeof argument !== "object") continue;
      if (argument.kind === "struct") look(argument);
      if (argument.kind !== "address") continue;
      if (argument.of.kind === "struct") look(argument.of);
      // Written to memory, from where some slot may get it.
      if (argument.of.kind === "label" && call === "put" && i === 1) inMemory.add(argument.of.name);
    }
  }
  return { stored, loaded, inMemory };
}
