import { deepStrictEqual } from "node:assert/strict";
import { Section, type Struct } from "../engine/plan.ts";
import { setCapabilitySets } from "./capability_sets.ts";

const isStruct = (value: unknown): value is Struct =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "struct";

Deno.test("setCapabilitySets() has each set in two halves of 32 bits, as capset(2) takes them", () => {
  const steps = new Section();
  setCapabilitySets(steps, "set them", {
    effective: [0, 31],
    permitted: [0, 31, 32],
    inheritable: [5, 40],
  });
  const [step] = steps.items;
  const words = step?.kind === "step" ? step.arguments.filter(isStruct) : [];
  deepStrictEqual(words.map(({ fields }) => fields.map(([, , value]) => value)), [
    [0x20080522, 0], // _LINUX_CAPABILITY_VERSION_3; this very process
    [0x80000001, 0x80000001, 0x20, 0, 1, 0x100],
  ]);
});
