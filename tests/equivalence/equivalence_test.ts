import { compareApart } from "./equivalence.ts";

Deno.test("repeated starts in a world that has changed look like fresh ones", async () => {
  console.log(await compareApart(40));
});
