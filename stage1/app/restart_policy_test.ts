import assert from "node:assert/strict";
import { parseAnnotations } from "../../src/appc/annotation.ts";
import { Failure } from "../../src/failure.ts";
import {
  DEFAULT_LIFECYCLE,
  delays,
  parseLifecycle,
  parseRestartPolicy,
  startOrder,
} from "./restart_policy.ts";

Deno.test("parseRestartPolicy() knows no, always, on-failure and a number of times", () => {
  assert.deepEqual(parseRestartPolicy("no", ""), { when: "no", most: 0 });
  assert.deepEqual(parseRestartPolicy("always", ""), { when: "always", most: Infinity });
  assert.deepEqual(parseRestartPolicy("on-failure", ""), { when: "on-failure", most: Infinity });
  assert.deepEqual(parseRestartPolicy("on-failure:3", ""), { when: "on-failure", most: 3 });
  for (const text of ["", "yes", "on-failure:", "on-failure:0", "on-failure:-1", "always:3"]) {
    assert.throws(
      () => parseRestartPolicy(text, "--restart"),
      /^Failure: --restart: ".*" is not no,/,
    );
  }
});

const life = (annotations: Readonly<Record<string, string>>) =>
  parseLifecycle(
    parseAnnotations(
      Object.entries(annotations).map(([name, value]) => ({
        name: `coreos.com/rkt/${name}`,
        value,
      })),
      "",
    ),
    'app "a"',
  );

Deno.test("parseLifecycle() reads annotations, and has defaults for what is not said", () => {
  assert.deepEqual(life({}), DEFAULT_LIFECYCLE);
  const all = {
    "stage2/restart": "on-failure:2",
    "stage2/restart-delay": "5ms",
    "stage1/on-exit": "keep",
    "stage2/after": "b,c,b",
  };
  assert.deepEqual(life(all), {
    restart: { when: "on-failure", most: 2, delay: 5 },
    keep: true,
    after: ["b", "c"],
  });
});

Deno.test("parseLifecycle() names the app and the annotation that it does not understand", () => {
  const wrong = { "stage2/restart": "x", "stage2/restart-delay": "5", "stage1/on-exit": "x" };
  for (const [name, value] of Object.entries(wrong)) {
    assert.throws(
      () => life({ [name]: value }),
      (error) =>
        error instanceof Failure &&
        error.message.startsWith(`app "a": annotation coreos.com/rkt/${name}: "${value}" is n`),
    );
  }
});

const app = (name: string, ...after: string[]) => ({
  name,
  lifecycle: { ...DEFAULT_LIFECYCLE, after },
});
const order = (...apps: ReturnType<typeof app>[]) => startOrder(apps).map(({ name }) => name);

Deno.test("startOrder() leaves apps as they are, but for those that start after later ones", () => {
  assert.deepEqual(order(app("c"), app("b"), app("a")), ["c", "b", "a"]);
  assert.deepEqual(order(app("a", "c"), app("b"), app("c", "b")), ["b", "c", "a"]);
  assert.deepEqual(order(app("a", "b", "c"), app("b"), app("c")), ["b", "c", "a"]);
});

Deno.test("startOrder() refuses circles and unknown apps", () => {
  assert.throws(() => order(app("a", "a")), /wait for each other: a, a \(/);
  assert.throws(
    () => order(app("x"), app("a", "b"), app("b", "c"), app("c", "a")),
    /: a, b, c, a \(/,
  );
  assert.throws(() => order(app("x", "a"), app("a", "b"), app("b", "a")), /: a, b, a \(/);
  assert.throws(
    () => order(app("a", "b")),
    /"a" starts after "b", which is no app of the pod \(a\)/,
  );
});

Deno.test("delays() double up to ten seconds", () => {
  assert.deepEqual(delays({ when: "always", most: 0, delay: 3000 }), [3000, 6000, 10_000]);
  assert.deepEqual(delays({ when: "always", most: 0, delay: 0 }), [0]);
});
