import * as k from "../../linux/constants.ts";
import assert from "node:assert/strict";
import { findingText, verify } from "../../../stage1/engine/verify.ts";
import { helperPlan } from "../../../stage1/steps/in_helper_child.ts";
import { namespacePlan } from "../make/private_users.ts";
import { mountLayers, openInNamespace } from "./app_files.ts";
import { openInOneOf } from "./init_mounts.ts";

const PLANS = {
  "openInNamespace()": helperPlan(openInNamespace(7, "/")).plan,
  "openInOneOf()": helperPlan(openInOneOf([7, 8], "/app")).plan,
  "mountLayers()": helperPlan(mountLayers("/pod", "mount", [["lowerdir", "a:b"]], 1)).plan,
  "namespacePlan()": namespacePlan(k.CLONE_NEWUSER).plan,
  "namespacePlan() with a network": namespacePlan(k.CLONE_NEWUSER | k.CLONE_NEWNET).plan,
};

for (const [name, plan] of Object.entries(PLANS)) {
  Deno.test(`nothing is wrong with the plan of ${name}`, () => {
    assert.deepEqual(verify(plan).map(findingText), []);
  });
}
