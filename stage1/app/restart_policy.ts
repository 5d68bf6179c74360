/** When apps start, what their ends mean, and when they are started again: what stands in annotations of the manifest. */
import type { Annotation } from "../../src/appc/annotation.ts";
import {
  RKT_ANNOTATIONS,
  type RktAnnotation,
  rktAnnotationValue,
} from "../../src/appc/rkt_annotation.ts";
import { Failure } from "../../src/failure.ts";
import type { AppLifecycle, RestartPolicy } from "../pod.ts";

/** Milliseconds. A run of that length also counts as good: the next delay is the first one again. */
export const LONGEST_DELAY = 10_000;

/** The delay without `--restart-delay`, in milliseconds. */
export const FIRST_DELAY = 100;

/** An app that nothing was said about. */
export const DEFAULT_LIFECYCLE: AppLifecycle = {
  restart: { when: "no", most: 0, delay: FIRST_DELAY },
  keep: false,
  after: [],
};

/**
 * Reads a restart policy: `no`, `on-failure`, `on-failure:MAX` or `always`.
 *
 * @throws {Failure} names the flag or annotation `at`
 */
export function parseRestartPolicy(text: string, at: string): Omit<RestartPolicy, "delay"> {
  if (text === "no") return { when: "no", most: 0 };
  if (text === "always" || text === "on-failure") return { when: text, most: Infinity };
  const [, most] = /^on-failure:([1-9]\d{0,8})$/.exec(text) ?? [];
  if (most !== undefined) return { when: "on-failure", most: Number(most) };
  throw new Failure(
    `${at}: ${JSON.stringify(text)} is not no, on-failure, on-failure:MAX (from 1) or always`,
  );
}

/**
 * Reads the lifecycle of an app from its annotations.
 *
 * @param app how the app is called in errors
 */
export function parseLifecycle(annotations: readonly Annotation[], app: string): AppLifecycle {
  const text = (name: RktAnnotation, byDefault: string) =>
    rktAnnotationValue(annotations, name) ?? byDefault;
  const at = (name: RktAnnotation) => `${app}: annotation ${RKT_ANNOTATIONS[name]}`;
  const delay = text("restartDelay", `${FIRST_DELAY}ms`);
  const [, milliseconds] = /^(\d{1,9})ms$/.exec(delay) ?? [];
  if (milliseconds === undefined) {
    throw new Failure(`${at("restartDelay")}: ${JSON.stringify(delay)} is no number of ms: 100ms`);
  }
  const onExit = text("onExit", "pod");
  if (onExit !== "pod" && onExit !== "keep") {
    throw new Failure(`${at("onExit")}: ${JSON.stringify(onExit)} is neither pod nor keep`);
  }
  return {
    restart: {
      ...parseRestartPolicy(text("restart", "no"), at("restart")),
      delay: Number(milliseconds),
    },
    keep: onExit === "keep",
    after: [...new Set(text("after", "").split(",").filter((name) => name !== ""))],
  };
}

/** An app with its place in the order. */
interface Ordered {
  readonly name: string;
  readonly lifecycle: AppLifecycle;
}

/**
 * Brings apps into an order in which each comes behind those that it starts after; else they stay as they are.
 *
 * @throws {Failure} on a circle, and on an app that the pod does not have
 */
export function startOrder<App extends Ordered>(apps: readonly App[]): readonly App[] {
  const byName = new Map(apps.map((app) => [app.name, app]));
  const placed = new Set<App>();
  const visit = (app: App, way: readonly string[]): void => {
    if (placed.has(app)) return;
    if (way.includes(app.name)) {
      const circle = [...way.slice(way.indexOf(app.name)), app.name].join(", ");
      throw new Failure(`the apps wait for each other: ${circle} (each starts after the next one)`);
    }
    for (const name of app.lifecycle.after) {
      const before = byName.get(name);
      if (before === undefined) {
        throw new Failure(
          `app "${app.name}" starts after "${name}", which is no app of the pod (${
            apps.map((each) => each.name).join(", ")
          })`,
        );
      }
      visit(before, [...way, app.name]);
    }
    placed.add(app);
  };
  for (const app of apps) visit(app, []);
  return [...placed];
}

/** The delays of a policy, in milliseconds: each twice the one before, up to the longest. */
export function delays({ delay }: RestartPolicy): readonly number[] {
  const all = [delay];
  for (let last = delay; last > 0 && last < LONGEST_DELAY;) {
    last = Math.min(last * 2, LONGEST_DELAY);
    all.push(last);
  }
  return all;
}
