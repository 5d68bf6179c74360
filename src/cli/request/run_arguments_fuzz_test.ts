import fc from "fast-check";
import { AppcError } from "../../appc/error.ts";
import { Failure } from "../../failure.ts";
import { findCommand, readInvocation } from "../grammar/command_line.ts";
import { COMMANDS } from "../table/commands.ts";
import { GLOBAL_FLAGS } from "../grammar/global_flags.ts";
import { runRequest } from "./run_arguments.ts";

const CASES = { numRuns: 10_000 };

const FLAG_NAMES = [...COMMANDS.flatMap((command) => command.flags), ...GLOBAL_FLAGS]
  .map((flag) => `--${flag.name}`);
const VALUE = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "1",
    "true",
    "10s",
    "a=b",
    "host",
    "none",
    "/x",
    "a,kind=host,source=/x",
  ),
  fc.constantFrom(
    "volume=a,target=/b",
    "CAP_KILL",
    "a:80",
    "a:[::1]:80",
    "__proto__",
    "__proto__=x",
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.stringMatching(/^[a-z=,:;./%\[\]-]{0,20}$/),
);
const WORD = fc.oneof(
  fc.constantFrom("--", "---", "-", "-h", "a.aci", "b.aci", ...COMMANDS.map((c) => c.name)),
  fc.constantFrom(...FLAG_NAMES),
  fc.tuple(fc.constantFrom(...FLAG_NAMES), VALUE).map(([name, value]) => `${name}=${value}`),
  VALUE,
);

/** Runs what may refuse its input, but only by an error for a person. */
function refusable(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof AppcError)) throw error;
  }
}

Deno.test("any command line is understood or refused", () => {
  const property = fc.property(fc.array(WORD, { maxLength: 8 }), (argv) => {
    refusable(() => readInvocation(findCommand(argv.flatMap((word) => word.split(" ")), COMMANDS)));
  });
  fc.assert(property, CASES);
});

Deno.test("any rkt run is understood or refused", () => {
  const property = fc.property(fc.array(WORD, { maxLength: 8 }), (argv) => {
    refusable(() => runRequest(readInvocation(findCommand(["run", ...argv], COMMANDS))));
  });
  fc.assert(property, CASES);
});
