import { AppcError, shown } from "./error.ts";
import { array, field, filledString, object, string, unique } from "./json_value.ts";

/** A program that runs before or after the app, in its root and environment, as root. */
export interface EventHandler {
  readonly name: "pre-start" | "post-stop";
  /** The program and its arguments; not empty. */
  readonly exec: readonly string[];
}

/**
 * Reads the event handlers of an app: at most one for each event.
 *
 * @throws {AppcError}
 */
export function parseEventHandlers(value: unknown, at: string): readonly EventHandler[] {
  return unique(array(value, at, parseEventHandler), at, (handler) => handler.name);
}

function parseEventHandler(value: unknown, at: string): EventHandler {
  const handler = object(value, at);
  const name = filledString(handler.name, field(at, "name"));
  if (name !== "pre-start" && name !== "post-stop") {
    throw new AppcError(field(at, "name"), `${shown(name)} is not one of pre-start, post-stop`);
  }
  const exec = array(handler.exec, field(at, "exec"), string);
  if (exec.length === 0 || exec[0] === "") {
    throw new AppcError(field(at, "exec"), "names no program");
  }
  return { name, exec };
}
