/** Which pods a list shows, and in which order. */
import { Failure } from "../../failure.ts";
import type { PodView } from "../directory/pod_directory.ts";
import type { AppSummary, PodSummary } from "./pod_summary.ts";

/** A pod and what there is to show of it. */
export type Listed = readonly [pod: PodView, summary: PodSummary];

/** Whether a pod fits. */
export type Fits = (pod: Listed) => boolean;

type AppFits = (app: AppSummary, value: string) => boolean;

/** `NAME`, or `NAME=VALUE`, in a record. */
function has(record: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  const name = equals < 0 ? wanted : wanted.slice(0, equals);
  return Object.hasOwn(record, name) && (equals < 0 || record[name] === wanted.slice(equals + 1));
}

const APP_FILTERS: Readonly<Record<string, AppFits>> = {
  app: ({ name }, value) => name === value,
  image: ({ imageName, imageVersion }, value) =>
    imageName === value || `${imageName}:${imageVersion}` === value,
  label: ({ userLabels }, value) => has(userLabels, value),
  annotation: ({ userAnnotations }, value) => has(userAnnotations, value),
};

/**
 * Reads a filter, `KEY=VALUE`.
 *
 * @throws {Failure} no such key
 */
export function parseFilter(text: string): Fits {
  const equals = text.indexOf("=");
  const key = text.slice(0, Math.max(equals, 0));
  const value = text.slice(equals + 1);
  if (key === "name") return ([, { name }]) => name === value;
  const fits = Object.hasOwn(APP_FILTERS, key) ? APP_FILTERS[key] : undefined;
  if (fits === undefined) {
    const keys = ["name", ...Object.keys(APP_FILTERS)].join(", ");
    throw new Failure(
      `--filter: ${JSON.stringify(text)} is not of the form KEY=VALUE with one of ${keys}`,
    );
  }
  return ([, { apps = [] }]) => apps.some((app) => fits(app, value));
}

/** What a list can be sorted by. */
export type Order = "created" | "started" | "name" | "state" | "uuid";

const text = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;
const newestFirst = (a: number | undefined, b: number | undefined): number =>
  (b ?? -Infinity) === (a ?? -Infinity) ? 0 : (b ?? -Infinity) - (a ?? -Infinity);

const ORDERS: Readonly<Record<Order, (a: Listed, b: Listed) => number>> = {
  created: ([, a], [, b]) => newestFirst(a.createdAt, b.createdAt),
  started: ([, a], [, b]) => newestFirst(a.startedAt, b.startedAt),
  name: ([, a], [, b]) => text(a.name ?? "\uffff", b.name ?? "\uffff"),
  state: ([a], [b]) => text(a.state, b.state),
  uuid: ([a], [b]) => text(a.uuid, b.uuid),
};

/** Sorts pods; those that are the same in one way come newest first, and else by their UUIDs. */
export function sorted(pods: readonly Listed[], order: Order): readonly Listed[] {
  return pods.toSorted((a, b) => ORDERS[order](a, b) || ORDERS.created(a, b) || ORDERS.uuid(a, b));
}
