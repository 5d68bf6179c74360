import { Failure } from "../../failure.ts";
import type { Invocation } from "../grammar/command.ts";
import { podArguments } from "./pod_arguments.ts";

/**
 * Reads the pod and the app that a command is about.
 *
 * @throws {Failure} if one of them is missing
 */
export function appArgument(
  invocation: Invocation,
): { readonly uuid: string; readonly app: string } {
  const { command, flags } = invocation;
  const app = flags.text("app");
  if (app === undefined || app === "") {
    throw new Failure(`which app? \`rkt ${command.name} ${command.usage}\``);
  }
  const [uuid] = podArguments(invocation);
  return { uuid, app };
}
