import { Failure } from "../../failure.ts";
import { parsePrefix } from "../../trust/keystore.ts";
import { ROOT, type TrustScope } from "../../trust/scopes.ts";
import type { Flags } from "../grammar/flags.ts";

/**
 * What a key is, or is no longer, to be trusted for: exactly one of `--prefix` and `--root`.
 *
 * @throws {Failure}
 */
export function trustScope(flags: Flags): TrustScope {
  const prefix = flags.text("prefix");
  if (flags.on("root") === (prefix !== undefined)) {
    throw new Failure(
      "either --prefix=PREFIX (such as example.com/app) or --root (every image) is needed",
    );
  }
  return prefix === undefined ? ROOT : parsePrefix(prefix);
}
