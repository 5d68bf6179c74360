import assert from "node:assert/strict";
import { targetPath } from "./json_value.ts";

Deno.test("targetPath() is meant from the root on, and takes .. by its words", () => {
  const cases = {
    "/a/b": "/a/b",
    "a": "/a",
    "./a//b/": "/a/b",
    "/a/../b": "/b",
    "../../x": "/x",
    "/a/b/../../..": "/",
    "/a/..b/...": "/a/..b/...",
  };
  for (const [path, target] of Object.entries(cases)) assert.equal(targetPath(path, "at"), target);
  for (const value of ["", 1]) assert.throws(() => targetPath(value, "at"), { name: "AppcError" });
});
