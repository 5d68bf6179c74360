import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { inlineConstants } from "./inline_constants.ts";

const inline = (texts: Readonly<Record<string, string>>) => {
  const { texts: made, define } = inlineConstants(new Map(Object.entries(texts)));
  return { texts: Object.fromEntries(made), define };
};

Deno.test("inlineConstants() takes numbers out of the chunk that has them, and out of those that import them", () => {
  const { texts, define } = inline({
    "a.js": "var AT_FDCWD = -100;\nvar other = 5;\nexport {\n  AT_FDCWD,\n  other\n};\n",
    "b.js": 'import {\n  AT_FDCWD,\n  other\n} from "./a.js";\nopen(AT_FDCWD, other);\n',
    "c.js": 'import {\n  AT_FDCWD as AT_FDCWD2\n} from "./a.js";\nopen(AT_FDCWD2);\n',
  });
  deepStrictEqual(texts, {
    "a.js": "var other = 5;\nexport {\n  other\n};\n",
    "b.js": 'import {\n  other\n} from "./a.js";\nopen(AT_FDCWD, other);\n',
    "c.js": 'import "./a.js";\nopen(AT_FDCWD2);\n',
  });
  deepStrictEqual(define, { AT_FDCWD: "-100", AT_FDCWD2: "-100" });
});

Deno.test("inlineConstants() leaves what is assigned again, and what is no number", () => {
  const text = 'var COUNT = 0;\nvar NAME = "x";\nvar BIG = 5n;\nfunction f() {\n  COUNT += 1;\n}\n';
  deepStrictEqual(inline({ "a.js": text }), { texts: { "a.js": text }, define: {} });
});

Deno.test("inlineConstants() gives a namespace of constants to who uses it", () => {
  const { texts } = inline({
    "a.js":
      "var a_exports = {};\n__export(a_exports, {\n  ONE: () => ONE,\n  TWO: () => TWO\n});\n" +
      "var ONE = 1;\nvar TWO = 2;\nexport {\n  a_exports,\n  ONE\n};\n",
    "b.js": 'import {\n  a_exports\n} from "./a.js";\nvar NAMES = Object.keys(a_exports);\n',
  });
  strictEqual(texts["a.js"]?.trim(), "");
  match(texts["b.js"] ?? "", /^var a_exports = \{ ONE: 1, TWO: 2 \};\n/);
});

Deno.test("inlineConstants() leaves one name that has two values", () => {
  const texts = {
    "a.js": "var ONE = 1;\nexport {\n  ONE\n};\n",
    "b.js": "var ONE = 2;\nvar TWO = 2;\nexport {\n  ONE,\n  TWO\n};\n",
    "c.js": 'import {\n  TWO\n} from "./b.js";\nf(TWO);\n',
  };
  const { texts: made, define } = inline(texts);
  deepStrictEqual(define, { TWO: "2" });
  strictEqual(made["a.js"], texts["a.js"]);
  strictEqual(made["b.js"], "var ONE = 2;\nexport {\n  ONE\n};\n");
});

Deno.test("inlineConstants() leaves what is loaded lazily, and what is passed on", () => {
  const texts = {
    "lazy.js": "var ONE = 1;\nexport {\n  ONE\n};\n",
    "a.js": "var TWO = 2;\nexport {\n  TWO\n};\n",
    "b.js": 'import {\n  TWO\n} from "./a.js";\nexport {\n  TWO as two\n};\nimport("./lazy.js");\n',
  };
  deepStrictEqual(inline(texts), { texts, define: {} });
});
