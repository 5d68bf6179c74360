import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { parseReference } from "../oci/reference.ts";
import { listTags } from "./list_tags.ts";
import { MockRegistry, openForTest, refusal } from "./testing/mock_registry.ts";

async function tagsOf(registry: MockRegistry): Promise<string[]> {
  using registries = await openForTest();
  return await listTags(registries.source(parseReference(`${registry.host}/app`)));
}

Deno.test("listTags() goes from page to page, and to no other host", async () => {
  await using registry = new MockRegistry();
  let next = "/v2/app/tags/list?n=1000&last=b";
  registry.fault = ({ path }) =>
    path.includes("last=b")
      ? Response.json({ name: "app", tags: ["c", "a"] })
      : Response.json({ name: "app", tags: ["b", "a"] }, {
        headers: { link: `<${next}>; rel="next"` },
      });
  deepStrictEqual(await tagsOf(registry), ["a", "b", "c"]);
  next = `http://127.0.0.1:1${next}`;
  deepStrictEqual(await tagsOf(registry), ["a", "b"]);
});

Deno.test("listTags() reads no list without an end", async () => {
  await using registry = new MockRegistry();
  const page = (from: number, count: number) => ({
    tags: Array.from({ length: count }, (_, i) => `t${from + i}`),
  });
  let asked = 0;
  registry.fault = () =>
    Response.json(page(asked++ * 100_000, 100_000), {
      headers: { link: `</v2/app/tags/list?n=1000&last=${asked}>; rel="next"` },
    });
  await rejects(tagsOf(registry), /\/app: has more than 200000 tags/);
  strictEqual(asked, 3);
});

Deno.test("listTags() refuses what is no list of tags", async () => {
  await using registry = new MockRegistry();
  const refuses = async (answer: () => Response, reason: RegExp) => {
    registry.fault = answer;
    await rejects(tagsOf(registry), (error) => {
      match(String(error), reason);
      return error instanceof Failure;
    });
  };
  registry.fault = () => Response.json({ name: "app", tags: null });
  deepStrictEqual(await tagsOf(registry), []);
  await refuses(() => refusal(404, "NAME_UNKNOWN"), /\/app: 404 \(NAME_UNKNOWN/);
  await refuses(
    () => Response.json({ tags: ["\x1b[2J"] }),
    /malformed: tags: one of them is no tag/,
  );
  await refuses(() => Response.json({ tags: "a" }), /malformed: tags: "a" is not an array/);
  await refuses(() => new Response("<html>"), /malformed: not valid JSON/);
});
