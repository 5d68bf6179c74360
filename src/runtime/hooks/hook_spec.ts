/** The hooks of an OCI container (config.md, "POSIX-platform Hooks"), as they are configured. */
import { AppcError, shown } from "../../appc/error.ts";
import {
  array,
  field,
  filledString,
  integer,
  object,
  optional,
  string,
} from "../../appc/json_value.ts";
import type { ContainerHook } from "../../../stage1/container/container.ts";

/** When hooks run. */
export type HookPoint = typeof HOOK_POINTS[number];

/** The points in their order (config.md, "POSIX-platform Hooks"). */
export const HOOK_POINTS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;

/**
 * Reads the hooks of a configuration.
 *
 * @throws {AppcError}
 */
export function readHooks(value: unknown): Readonly<Record<HookPoint, readonly ContainerHook[]>> {
  const hooks = object(value ?? {}, "hooks");
  const entries = HOOK_POINTS.map((point) => [
    point,
    array(hooks[point], `hooks.${point}`, readHook),
  ]);
  return Object.fromEntries(entries);
}

function readHook(value: unknown, at: string): ContainerHook {
  const hook = object(value, at);
  const path = filledString(hook.path, field(at, "path"));
  if (!path.startsWith("/")) {
    throw new AppcError(field(at, "path"), `${shown(path)} is not an absolute path`);
  }
  const args = array(hook.args, field(at, "args"), string);
  return {
    path,
    arguments: args.length === 0 ? [path] : args,
    environment: array(hook.env, field(at, "env"), string),
    timeout: optional(
      hook.timeout,
      field(at, "timeout"),
      (each, place) => integer(each, place, 1, 2 ** 31),
    ),
  };
}
