/** Loaded before a file of tests: those whose names begin as RKT_TEST_SKIP says (a list in JSON) are ignored. `--filter` can't say that. */
const skipped: readonly string[] = JSON.parse(Deno.env.get("RKT_TEST_SKIP") ?? "[]");
const isSkipped = (name: unknown): boolean =>
  typeof name === "string" && skipped.some((each) => name.startsWith(each));

Object.defineProperty(Deno, "test", {
  value: new Proxy(Deno.test, {
    apply(test, self, words: readonly unknown[]) {
      const [first] = words;
      const name = typeof first === "object" && first !== null && "name" in first
        ? first.name
        : first;
      return Reflect.apply(isSkipped(name) ? test.ignore : test, self, words);
    },
  }),
});
